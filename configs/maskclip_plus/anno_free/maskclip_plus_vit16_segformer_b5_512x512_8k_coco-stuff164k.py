_base_ = [
    '../../_base_/models/maskclip_plus_vit16_segformer_b5.py',
    '../../_base_/datasets/coco-stuff164k.py',
    '../../_base_/schedules/schedule_8k_adamw.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}),
    teacher=dict(decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}})))
data = dict(train=dict(unlabelled='all'))
