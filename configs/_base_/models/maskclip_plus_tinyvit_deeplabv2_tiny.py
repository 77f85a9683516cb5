# MaskCLIP+ in the embedded world: a small DeepLabv2 taught by the embedded TinyViT.
_base_ = './students/deeplabv2_tiny.py'
model = dict(
    decode_head=dict(text_channels=128),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='TinyViT',
        backbone=dict(type='ClipViT', arch='TinyViT', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=128, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
