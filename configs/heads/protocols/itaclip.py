# ITACLIP's protocol: short side, windows, logit scale, thresholds, class names.
_base_ = '../../_base_/pipelines/short_sides.py'
windows = dict(mode='slide', crop_size=(224, 224), stride=(28, 28), direct_resize=False)
protocol = dict(
    voc21=dict(
        vocabulary='itaclip_voc21', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=60.0, prob_thd=0.1, area_thd=0.1)),
    context60=dict(
        vocabulary='itaclip_context60', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=55.0, prob_thd=0.1)),
    coco_object=dict(
        vocabulary='itaclip_coco_object', pipeline={{_base_.short336_pipeline}}, test_cfg=windows,
        background=dict(type='Background', label=0, scale=50.0, prob_thd=0.1)),
    cityscapes=dict(
        vocabulary='itaclip_cityscapes', pipeline={{_base_.short560_pipeline}}, test_cfg=windows,
        scale=40.0),
    coco_stuff=dict(
        vocabulary='itaclip_coco_stuff', pipeline={{_base_.short448_pipeline}}, test_cfg=windows,
        scale=40.0),
)
del windows
