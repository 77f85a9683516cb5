# The embedded world, for trying the methods without a download: TinyViT's own size as windows.
_base_ = '../../_base_/pipelines/short_sides.py'
protocol = dict(
    tinyworld=dict(
        pipeline={{_base_.short256_pipeline}},
        test_cfg=dict(
            mode='slide', crop_size=(128, 128), stride=(64, 64), direct_resize=False),
        scale=40.0))
