_base_ = '../maskclip/maskclip_r50x16_512x512_voc12aug_20.py'
model = dict(backbone=dict(fidelity='clip', readout=dict(type='AddedValueReadout')))
