# Ours: nothing is published for it.
# Starts from the inductive model at half its schedule: --load-from WORK_DIR/iter_20000.pth
_base_ = './zegclip_vit16_512x512_40k_pascal_context_59.py'
model = dict(mode='transductive', test_cfg=dict(seen_offset=0.0))
runner = dict(max_iters=20000)
checkpoint_config = dict(interval=2000)
evaluation = dict(interval=2000)
