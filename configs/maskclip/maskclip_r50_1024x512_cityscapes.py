_base_ = [
    '../_base_/models/maskclip_r50.py',
    '../_base_/datasets/cityscapes_1024x512.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(
    num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
