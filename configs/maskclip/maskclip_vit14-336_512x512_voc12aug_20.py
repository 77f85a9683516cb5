_base_ = [
    '../_base_/models/maskclip_vit14-336.py',
    '../_base_/datasets/pascal_voc12_aug_20.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(
    num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
