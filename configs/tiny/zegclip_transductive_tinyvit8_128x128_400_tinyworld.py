# Starts from the inductive model at half its schedule: --load-from WORK_DIR/iter_400.pth
_base_ = './zegclip_tinyvit8_128x128_800_tinyworld.py'
model = dict(mode='transductive', test_cfg=dict(seen_offset=0.0))
runner = dict(max_iters=400)
evaluation = dict(interval=400)
