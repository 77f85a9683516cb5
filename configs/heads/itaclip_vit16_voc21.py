# Published with texts of weight 0.05, which are others' and not part of this.
_base_ = ['./methods/itaclip.py', './datasets/voc21.py', './protocols/itaclip.py']
model = dict(
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.voc21.vocabulary}}),
    views=dict(weight=0.7),
    refine=[{{_base_.pamr}}, {{_base_.protocol.voc21.background}}, {{_base_.closing}}],
    test_cfg={{_base_.protocol.voc21.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.voc21.pipeline}}),
    test=dict(pipeline={{_base_.protocol.voc21.pipeline}}))
