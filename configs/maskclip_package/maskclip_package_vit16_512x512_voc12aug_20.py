_base_ = '../maskclip/maskclip_vit16_512x512_voc12aug_20.py'
model = dict(backbone=dict(
    fidelity='clip', pad='drop', readout=dict(type='AddedValueReadout')))
