# Taught by NACLIP's read-out, which labels crops as they are: without its windows.
_base_ = './maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py'
model = dict(teacher=dict(backbone=dict(fidelity='clip', readout=dict(
    type='AttentionReadout', pairs='kk', bias=dict(sigma=5.0), residual=False, ffn=False))))
