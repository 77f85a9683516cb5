# MaskCLIP with OpenAI's RN50x64.
# No numbers are published for it, so it runs as CLIP was trained: fidelity='clip'.
# Key smoothing (the paper: 1.0) and prompt denoising (0.5) are off at 0.
model = dict(
    type='MaskClip',
    backbone=dict(type='ClipResNet', arch='RN50x64', fidelity='clip'),
    decode_head=dict(type='MaskClipHead', text_channels=1024, ks_thresh=0.0, pd_thresh=0.0),
    test_cfg=dict(mode='whole'))
