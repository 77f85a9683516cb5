# MaskCLIP with OpenAI's ViT-B/32.
# No numbers are published for it, so it runs as CLIP was trained: fidelity='clip'.
# Key smoothing (the paper: 1.0) and prompt denoising (0.5) are off at 0.
model = dict(
    type='MaskClip',
    backbone=dict(type='ClipViT', arch='ViT-B/32', fidelity='clip'),
    decode_head=dict(type='MaskClipHead', text_channels=512, ks_thresh=0.0, pd_thresh=0.0),
    test_cfg=dict(mode='whole'))
