_base_ = './zegclip_vit16_512x512_80k_coco-stuff164k.py'
model = dict(mode='supervised', test_cfg=dict(seen_offset=0.0))
data = dict(train=dict(unlabelled=None))
