_base_ = ['./methods/resclip.py', './datasets/ade20k.py', './protocols/naclip.py']
model = dict(
    backbone=dict(readout=dict(middle=dict(gain=2.0, weight=0.3))),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.ade20k.vocabulary}}),
    feedback=dict(scale=2.1, weight=0.7, min_prob=0.25),
    test_cfg={{_base_.protocol.ade20k.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.ade20k.pipeline}}),
    test=dict(pipeline={{_base_.protocol.ade20k.pipeline}}))
