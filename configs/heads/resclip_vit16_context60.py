_base_ = ['./methods/resclip.py', './datasets/context60.py', './protocols/naclip.py']
model = dict(
    backbone=dict(readout=dict(middle=dict(gain=2.0, weight=0.3))),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.context60.vocabulary}}),
    feedback=dict(scale=1.8, weight=0.7, min_prob=0.3),
    refine=[{{_base_.protocol.context60.background}}],
    test_cfg={{_base_.protocol.context60.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.context60.pipeline}}),
    test=dict(pipeline={{_base_.protocol.context60.pipeline}}))
