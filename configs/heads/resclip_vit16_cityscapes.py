_base_ = ['./methods/resclip.py', './datasets/cityscapes.py', './protocols/naclip.py']
model = dict(
    backbone=dict(readout=dict(middle=dict(gain=2.0, weight=0.2))),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.cityscapes.vocabulary}}),
    feedback=dict(scale=2.1, weight=0.6, min_prob=0.1),
    test_cfg={{_base_.protocol.cityscapes.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.cityscapes.pipeline}}),
    test=dict(pipeline={{_base_.protocol.cityscapes.pipeline}}))
