_base_ = [
    '../_base_/models/zegclip_tinyvit8.py',
    '../_base_/datasets/tinyworld_128x128.py',
    '../_base_/schedules/schedule_800_tinyworld.py',
    '../_base_/default_runtime.py',
]
model = dict(
    unseen={{_base_.unseen}},
    decode_head=dict(num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
data = dict(samples_per_gpu=4, train=dict(unlabelled='unseen'))
