# MaskCLIP+ student: UPerNet on timm's ConvNeXt-T, with timm's weights.
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='MaskClipPlus',
    backbone=dict(
        type='TIMMBackbone', model_name='convnext_tiny', features_only=True, pretrained=True),
    decode_head=dict(
        type='MaskClipPlusHead',
        decoder=dict(
            type='UPerHead',
            in_channels=[96, 192, 384, 768],
            in_index=[0, 1, 2, 3],
            pool_scales=(1, 2, 3, 6)),
        cls_bg=False,
        norm_feat=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    labelling=dict(clip_guided=(1, -1), self_train=(-1, -1)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
custom_hooks = [dict(type='IterationHook')]
