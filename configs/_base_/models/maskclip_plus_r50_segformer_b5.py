# MaskCLIP+: SegFormer-b5 taught by OpenAI's RN50.
_base_ = './students/segformer_b5.py'
model = dict(
    decode_head=dict(text_channels=1024),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='pretrain/RN50.pt',
        backbone=dict(type='ClipResNet', arch='RN50', fidelity='paper'),
        decode_head=dict(type='MaskClipHead', text_channels=1024, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
