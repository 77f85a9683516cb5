_base_ = '../maskclip/maskclip_vit14_520x520_pascal_context_59.py'
model = dict(backbone=dict(
    fidelity='clip', pad='drop', readout=dict(type='AddedValueReadout')))
