# Published with texts of weight 0.05, which are others' and not part of this.
_base_ = ['./methods/itaclip.py', './datasets/cityscapes.py', './protocols/itaclip.py']
model = dict(
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.cityscapes.vocabulary}}),
    views=dict(weight=0.7),
    test_cfg={{_base_.protocol.cityscapes.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.cityscapes.pipeline}}),
    test=dict(pipeline={{_base_.protocol.cityscapes.pipeline}}))
