# MaskCLIP+ student for the embedded world: SegFormer on a MiT half as wide as b0. Its head reads
# the last three stages, output stride 8.
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='MaskClipPlus',
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=16,
        num_stages=4,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 4, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        out_indices=(0, 1, 2, 3),
        mlp_ratio=4,
        qkv_bias=True,
        drop_path_rate=0.0),
    decode_head=dict(
        type='MaskClipPlusHead',
        decoder=dict(type='SegformerHead', in_channels=[32, 64, 128], in_index=[1, 2, 3]),
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
