# MaskCLIP+ in the embedded world: a small DeepLabv2 taught by the embedded TinyViT8.
_base_ = './students/deeplabv2_tiny.py'
model = dict(
    decode_head=dict(text_channels=128),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='TinyViT8',
        backbone=dict(type='ClipViT', arch='TinyViT8', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=128, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
