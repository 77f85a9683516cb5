# Published with texts of weight 0.1, which are others' and not part of this.
_base_ = ['./methods/itaclip.py', './datasets/coco_object.py', './protocols/itaclip.py']
model = dict(
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.coco_object.vocabulary}}),
    views=dict(weight=0.75),
    refine=[{{_base_.pamr}}, {{_base_.protocol.coco_object.background}}, {{_base_.closing}}],
    test_cfg={{_base_.protocol.coco_object.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.coco_object.pipeline}}),
    test=dict(pipeline={{_base_.protocol.coco_object.pipeline}}))
