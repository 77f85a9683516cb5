_base_ = '../maskclip/maskclip_r50x16_512x512_coco-stuff164k.py'
model = dict(backbone=dict(fidelity='clip', readout=dict(type='AddedValueReadout')))
