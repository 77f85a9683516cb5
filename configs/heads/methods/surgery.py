# CLIP Surgery. Its published segmentation results are the arg-max of the scores: no ClassPrior,
# which is its feature surgery.
_base_ = './clip.py'
model = dict(
    backbone=dict(
        positions='bilinear', pad='corner',
        readout=dict(_delete_=True, type='DualPathReadout', blocks=6, attention='vv')),
    decode_head=dict(templates='imagenet85'))
