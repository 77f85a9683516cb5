_base_ = './zegclip_vit16_512x512_20k_voc12aug_20.py'
model = dict(mode='supervised', test_cfg=dict(seen_offset=0.0))
data = dict(train=dict(unlabelled=None))
