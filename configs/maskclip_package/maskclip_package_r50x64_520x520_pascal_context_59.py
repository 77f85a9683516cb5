_base_ = '../maskclip/maskclip_r50x64_520x520_pascal_context_59.py'
model = dict(backbone=dict(fidelity='clip', readout=dict(type='AddedValueReadout')))
