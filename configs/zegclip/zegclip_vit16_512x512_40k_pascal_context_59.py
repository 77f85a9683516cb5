# Ours: nothing is published for it.
_base_ = [
    '../_base_/models/zegclip_vit16.py',
    '../_base_/datasets/zegclip/pascal_context_59.py',
    '../_base_/schedules/schedule_40k_zegclip.py',
    '../_base_/default_runtime.py',
]
model = dict(
    unseen={{_base_.unseen}},
    backbone=dict(num_prompts=35),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
data = dict(train=dict(unlabelled='unseen'))
