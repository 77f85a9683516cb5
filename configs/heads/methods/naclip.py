# NACLIP without PAMR: keys with keys and a Gaussian of the distance, reduced tail.
_base_ = './clip.py'
model = dict(
    backbone=dict(
        pad='drop',
        readout=dict(pairs='kk', bias=dict(sigma=5.0), residual=False, ffn=False)),
    test_cfg=dict(direct_resize=False))
