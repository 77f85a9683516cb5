# ClearCLIP: queries with queries, reduced tail.
_base_ = './clip.py'
model = dict(backbone=dict(readout=dict(pairs='qq', residual=False, ffn=False)))
