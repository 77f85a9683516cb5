# MaskCLIP+: DeepLabv2-R101 taught by OpenAI's ViT-L/14.
# No numbers are published for this teacher, so it runs as CLIP was trained.
_base_ = './students/deeplabv2_r101-d8.py'
model = dict(
    decode_head=dict(text_channels=768),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='pretrain/ViT-L-14.pt',
        backbone=dict(type='ClipViT', arch='ViT-L/14', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=768, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
