# MaskCLIP+ student: SegFormer on MiT-b1.
_base_ = './segformer_b0.py'
model = dict(
    pretrained='pretrain/mit_b1_weight.pth',
    backbone=dict(embed_dims=64, num_layers=[2, 2, 2, 2]),
    decode_head=dict(decoder=dict(in_channels=[64, 128, 320, 512])))
