_base_ = [
    '../_base_/models/maskclip_tinyvit8.py',
    '../_base_/datasets/tinyworld.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(
    num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
