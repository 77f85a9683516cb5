# MaskCLIP+ in the embedded world: a small SegFormer taught by the embedded TinyRN.
_base_ = './students/segformer_tiny.py'
model = dict(
    decode_head=dict(text_channels=128),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='TinyRN',
        backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=128, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
