_base_ = [
    '../../_base_/models/maskclip_plus_r50_deeplabv2_r101-d8.py',
    '../../_base_/datasets/pascal_voc12_aug_20.py',
    '../../_base_/schedules/schedule_20k.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}),
    teacher=dict(decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}})),
    labelling=dict(clip_guided=(1, 1999), self_train=(2000, -1), clip_classes={{_base_.unseen}}))
data = dict(train=dict(unlabelled='unseen'))
