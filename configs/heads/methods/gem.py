# GEM: its own read-out and positions, with the templates of ClearCLIP's code.
_base_ = './clip.py'
model = dict(backbone=dict(
    positions='antialias', pad='corner',
    readout=dict(_delete_=True, type='DualPathReadout', blocks=6, attention='gem')))
