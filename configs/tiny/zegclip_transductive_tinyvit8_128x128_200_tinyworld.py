# Starts from the inductive model at half its schedule: --load-from WORK_DIR/iter_200.pth
_base_ = './zegclip_tinyvit8_128x128_400_tinyworld.py'
model = dict(mode='transductive', test_cfg=dict(seen_offset=0.0))
runner = dict(max_iters=200)
evaluation = dict(interval=200)
