# SC-CLIP.
_base_ = './clip.py'
model = dict(backbone=dict(
    pad='corner', readout=dict(_delete_=True, type='CalibratedReadout')))
