# Starts from the inductive model at half its schedule: --load-from WORK_DIR/iter_40000.pth
_base_ = './zegclip_vit16_512x512_80k_coco-stuff164k.py'
model = dict(mode='transductive', test_cfg=dict(seen_offset=0.0))
runner = dict(max_iters=40000)
checkpoint_config = dict(interval=4000)
evaluation = dict(interval=4000)
