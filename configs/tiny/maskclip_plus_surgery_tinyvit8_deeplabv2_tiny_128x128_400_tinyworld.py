_base_ = './maskclip_plus_tinyvit8_deeplabv2_tiny_128x128_400_tinyworld.py'
model = dict(teacher=dict(backbone=dict(
    readout=dict(type='DualPathReadout', blocks=6, attention='vv'))))
