# MaskCLIP as ClearCLIP's code runs it: values alone, reduced tail (its ignore_residual).
_base_ = './clip.py'
model = dict(backbone=dict(readout=dict(pairs='v', residual=False, ffn=False)))
