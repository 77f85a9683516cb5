# Published with texts of weight 0.2, which are others' and not part of this.
_base_ = ['./methods/itaclip.py', './datasets/coco_stuff.py', './protocols/itaclip.py']
model = dict(
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.protocol.coco_stuff.vocabulary}}),
    views=dict(weight=0.75),
    test_cfg={{_base_.protocol.coco_stuff.test_cfg}})
data = dict(
    val=dict(pipeline={{_base_.protocol.coco_stuff.pipeline}}),
    test=dict(pipeline={{_base_.protocol.coco_stuff.pipeline}}))
