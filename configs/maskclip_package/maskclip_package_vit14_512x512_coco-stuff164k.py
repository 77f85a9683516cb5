_base_ = '../maskclip/maskclip_vit14_512x512_coco-stuff164k.py'
model = dict(backbone=dict(
    fidelity='clip', pad='drop', readout=dict(type='AddedValueReadout')))
