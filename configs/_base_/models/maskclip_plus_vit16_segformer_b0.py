# MaskCLIP+: SegFormer-b0 taught by OpenAI's ViT-B/16.
_base_ = './students/segformer_b0.py'
model = dict(
    decode_head=dict(text_channels=512),
    teacher=dict(
        type='MaskClip',
        clip_checkpoint='pretrain/ViT-B-16.pt',
        backbone=dict(type='ClipViT', arch='ViT-B/16', fidelity='paper'),
        decode_head=dict(type='MaskClipHead', text_channels=512, ks_thresh=0.0, pd_thresh=0.0),
        test_cfg=dict(mode='whole')))
