_base_ = [
    '../_base_/models/maskclip_plus_tinyvit8_deeplabv2_tiny.py',
    '../_base_/datasets/tinyworld_128x128.py',
    '../_base_/schedules/schedule_400_tinyworld.py',
    '../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}),
    teacher=dict(decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}})))
data = dict(train=dict(unlabelled='all'))
