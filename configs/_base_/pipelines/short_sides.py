# Test pipelines of the training-free methods: that short side, long side at most 2048.
_test_pipelines = [
    [
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(2048, short_side),
            flip=False,
            transforms=[
                dict(type='Resize', keep_ratio=True),
                dict(type='RandomFlip'),
                dict(
                    type='Normalize', mean=[123.675, 116.28, 103.53],
                    std=[58.395, 57.12, 57.375], to_rgb=True),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ]),
    ] for short_side in (256, 336, 448, 560)
]
short256_pipeline, short336_pipeline, short448_pipeline, short560_pipeline = _test_pipelines
del _test_pipelines
