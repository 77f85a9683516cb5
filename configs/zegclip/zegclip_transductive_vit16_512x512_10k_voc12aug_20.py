# Starts from the inductive model at half its schedule: --load-from WORK_DIR/iter_10000.pth
_base_ = './zegclip_vit16_512x512_20k_voc12aug_20.py'
model = dict(mode='transductive', test_cfg=dict(seen_offset=0.0))
runner = dict(max_iters=10000)
checkpoint_config = dict(interval=1000)
evaluation = dict(interval=1000)
