# Students from scratch, two to three minutes on two cores.
total_batch_size = 8
optimizer = dict(type='AdamW', lr=0.012, betas=(0.9, 0.999), weight_decay=0.01)
optimizer_config = dict()
lr_config = dict(
    policy='poly',
    warmup='linear',
    warmup_iters=30,
    warmup_ratio=0.01,
    power=1.0,
    min_lr=0.0,
    by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters=400)
checkpoint_config = dict(by_epoch=False, interval=200)
evaluation = dict(interval=400, metric='mIoU', pre_eval=True)
