# SCLIP's protocol: short side, windows, logit scale, thresholds, class names.
_base_ = '../../_base_/pipelines/short_sides.py'
windows = dict(mode='slide', crop_size=(224, 224), stride=(112, 112), direct_resize=False)
protocol = dict(
    voc21=dict(
        vocabulary='sclip_voc21', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=65.0, prob_thd=0.1, area_thd=0.1)),
    context60=dict(
        vocabulary='sclip_context60', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.1)),
    coco_object=dict(
        vocabulary='sclip_coco_object', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.1)),
    voc20=dict(
        vocabulary='sclip_voc20', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        scale=40.0),
    cityscapes=dict(
        vocabulary='sclip_cityscapes', pipeline={{_base_.short560_pipeline}}, test_cfg=windows,
        scale=40.0),
    context59=dict(
        vocabulary='sclip_context59', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        scale=40.0),
    ade20k=dict(
        vocabulary='sclip_ade20k', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        scale=40.0),
    coco_stuff=dict(
        vocabulary='sclip_coco_stuff', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=40.0),
)
del windows
