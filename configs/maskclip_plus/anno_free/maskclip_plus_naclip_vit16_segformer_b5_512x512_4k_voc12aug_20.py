# Taught by NACLIP's read-out, which labels crops as they are: without its windows.
_base_ = './maskclip_plus_vit16_segformer_b5_512x512_4k_voc12aug_20.py'
model = dict(teacher=dict(backbone=dict(fidelity='clip', readout=dict(
    type='AttentionReadout', pairs='kk', bias=dict(sigma=5.0), residual=False, ffn=False))))
