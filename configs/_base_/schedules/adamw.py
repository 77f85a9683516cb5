# Published MaskCLIP+ runs with SegFormer: 8 images on one GPU.
total_batch_size = 8
optimizer = dict(
    type='AdamW',
    lr=2.4e-5,
    betas=(0.9, 0.999),
    weight_decay=0.004,
    paramwise_cfg=dict(
        custom_keys=dict(
            pos_block=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
            head=dict(lr_mult=10.0))))
optimizer_config = dict()
lr_config = dict(
    policy='poly',
    warmup='linear',
    warmup_iters=1500,
    warmup_ratio=1e-6,
    power=1.0,
    min_lr=0.0,
    by_epoch=False)
