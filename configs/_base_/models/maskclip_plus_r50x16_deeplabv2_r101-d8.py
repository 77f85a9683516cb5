# MaskCLIP+: DeepLabv2-R101 taught by OpenAI's RN50x16.
_base_ = './students/deeplabv2_r101-d8.py'
model = dict(
    decode_head=dict(text_channels=768),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='pretrain/RN50x16.pt',
        backbone=dict(type='ClipResNet', arch='RN50x16', fidelity='paper'),
        decode_head=dict(type='MaskClipHead', text_channels=768, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
