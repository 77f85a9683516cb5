# Ours: nothing is published for it.
_base_ = [
    '../_base_/models/zegclip_vit14.py',
    '../_base_/datasets/zegclip/pascal_voc12_aug_20.py',
    '../_base_/schedules/schedule_20k_zegclip.py',
    '../_base_/default_runtime.py',
]
model = dict(
    unseen={{_base_.unseen}},
    backbone=dict(num_prompts=10),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}},
        templates=['a photo of a {}']))
data = dict(train=dict(unlabelled='unseen'))
