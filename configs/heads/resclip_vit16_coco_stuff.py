_base_ = ['./methods/resclip.py', './datasets/coco_stuff.py', './protocols/naclip.py']
model = dict(
    backbone=dict(readout=dict(middle=dict(gain=2.0, weight=0.4))),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.coco_stuff.vocabulary}}),
    feedback=dict(scale=1.8, weight=0.7, min_prob=0.11),
    test_cfg={{_base_.protocol.coco_stuff.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.coco_stuff.pipeline}}),
    test=dict(pipeline={{_base_.protocol.coco_stuff.pipeline}}))
