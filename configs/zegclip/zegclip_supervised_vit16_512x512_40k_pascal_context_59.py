# Ours: nothing is published for it.
_base_ = './zegclip_vit16_512x512_40k_pascal_context_59.py'
model = dict(mode='supervised', test_cfg=dict(seen_offset=0.0))
data = dict(train=dict(unlabelled=None))
