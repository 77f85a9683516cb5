_base_ = '../maskclip/maskclip_r50x16_520x520_pascal_context_59.py'
model = dict(backbone=dict(fidelity='clip', readout=dict(type='AddedValueReadout')))
