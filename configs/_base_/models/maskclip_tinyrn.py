# MaskCLIP with the embedded TinyRN, trained on pictures and captions of the tiny world.
model = dict(
    type='MaskClip',
    backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
    decode_head=dict(type='MaskClipHead', text_channels=128, ks_thresh=0.0, pd_thresh=0.0),
    test_cfg=dict(mode='whole'))
