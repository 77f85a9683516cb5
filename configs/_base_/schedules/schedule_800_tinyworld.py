# ZegCLIP: steps of 4 crops, of which it needs many.
_base_ = './schedule_400_tinyworld.py'
total_batch_size = 4
optimizer = dict(lr=0.002)
lr_config = dict(warmup_iters=60)
runner = dict(max_iters=800)
checkpoint_config = dict(interval=400)
evaluation = dict(interval=800)
