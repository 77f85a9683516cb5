_base_ = './zegclip_tinyvit8_128x128_800_tinyworld.py'
model = dict(mode='supervised', test_cfg=dict(seen_offset=0.0))
data = dict(train=dict(unlabelled=None))
