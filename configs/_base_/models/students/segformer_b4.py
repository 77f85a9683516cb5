# MaskCLIP+ student: SegFormer on MiT-b4.
_base_ = './segformer_b0.py'
model = dict(
    pretrained='pretrain/mit_b4_weight.pth',
    backbone=dict(embed_dims=64, num_layers=[3, 8, 27, 3]),
    decode_head=dict(decoder=dict(in_channels=[64, 128, 320, 512])))
