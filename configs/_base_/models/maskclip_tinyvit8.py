# MaskCLIP with the embedded TinyViT8, in windows of the size it was pretrained at.
model = dict(
    type='MaskClip',
    backbone=dict(type='ClipViT', arch='TinyViT8', fidelity='clip'),
    decode_head=dict(type='MaskClipHead', text_channels=128, ks_thresh=0.0, pd_thresh=0.0),
    test_cfg=dict(mode='slide', crop_size=(128, 128), stride=(64, 64)))
