# ClearCLIP's protocol: short side, windows, logit scale, thresholds, class names.
# One name a class. How its lists spell them is not known here; these are the data sets' own.
_base_ = '../../_base_/pipelines/short_sides.py'
windows = dict(mode='slide', crop_size=(448, 448), stride=(224, 224), direct_resize=False)
small = dict(mode='slide', crop_size=(224, 224), stride=(224, 224), direct_resize=False)
protocol = dict(
    voc21=dict(
        vocabulary='voc21', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.5)),
    context60=dict(
        vocabulary='context60', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.15)),
    coco_object=dict(
        vocabulary='coco_object', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.4)),
    voc20=dict(
        vocabulary='voc', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=50.0),
    cityscapes=dict(
        vocabulary='city', pipeline={{_base_.short448_pipeline}}, test_cfg=small,
        scale=50.0),
    context59=dict(
        vocabulary='context', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=50.0),
    ade20k=dict(
        vocabulary='ade', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=50.0),
    coco_stuff=dict(
        vocabulary='stuff', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=50.0),
)
del windows, small
