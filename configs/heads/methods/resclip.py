# ResCLIP on NACLIP. Its settings differ from data set to data set, see resclip_vit16_*.py; where
# there is no such file, those of VOC 21 apply.
_base_ = './naclip.py'
model = dict(
    backbone=dict(readout=dict(
        middle=dict(blocks=(6, 7, 8, 9), pairs='qk', gain=2.0, weight=0.3))),
    feedback=dict(
        scale=2.2, weight=0.7, min_prob=0.5, logit_scale=40.0, iterations=10, dilations=(8, 16),
        same_entity=True))
