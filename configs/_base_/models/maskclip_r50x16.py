# MaskCLIP with OpenAI's RN50x16.
# fidelity='paper' gives the published numbers, 'clip' runs the tower as CLIP was trained.
# Key smoothing (the paper: 1.0) and prompt denoising (0.5) are off at 0.
model = dict(
    type='MaskClip',
    backbone=dict(type='ClipResNet', arch='RN50x16', fidelity='paper'),
    decode_head=dict(type='MaskClipHead', text_channels=768, ks_thresh=0.0, pd_thresh=0.0),
    test_cfg=dict(mode='whole'))
