# A folder of images without labels; short side 512. vocabulary is any list of names.
dataset_type = 'ImageFolderDataset'
data_root = 'data/image_folder'
num_classes = 5
vocabulary = ['person', 'car', 'building', 'tree', 'sky']
img_scale = (2048, 512)
crop_size = (512, 512)
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='Resize', img_scale=img_scale, ratio_range=(0.5, 2.0)),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size=crop_size, pad_val=0, seg_pad_val=255),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_semantic_seg']),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=img_scale,
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ]),
]

data = dict(
    samples_per_gpu=4,
    workers_per_gpu=4,
    train=dict(
        type=dataset_type,
        img_dir=data_root,
        classes=vocabulary,
        pipeline=train_pipeline),
    val=dict(
        type=dataset_type,
        img_dir=data_root,
        classes=vocabulary,
        pipeline=test_pipeline),
    test=dict(
        type=dataset_type,
        img_dir=data_root,
        classes=vocabulary,
        pipeline=test_pipeline))
