# Your own pictures and class names, read as NACLIP does, with the positions and padding of this
# project: the default for who reproduces no paper, on every ViT.
_base_ = '../maskclip/maskclip_vit16_512x512_demo.py'
model = dict(backbone=dict(fidelity='clip', readout=dict(
    type='AttentionReadout', pairs='kk', bias=dict(sigma=5.0), residual=False, ffn=False)))
