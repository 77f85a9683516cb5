# Published with texts of weight 0.15, which are others' and not part of this.
_base_ = ['./methods/itaclip.py', './datasets/context60.py', './protocols/itaclip.py']
model = dict(
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.context60.vocabulary}}),
    views=dict(weight=0.75),
    refine=[{{_base_.pamr}}, {{_base_.protocol.context60.background}}, {{_base_.closing}}],
    test_cfg={{_base_.protocol.context60.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.context60.pipeline}}),
    test=dict(pipeline={{_base_.protocol.context60.pipeline}}))
