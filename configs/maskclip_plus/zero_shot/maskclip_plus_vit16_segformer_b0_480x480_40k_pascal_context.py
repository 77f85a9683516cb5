_base_ = [
    '../../_base_/models/maskclip_plus_vit16_segformer_b0.py',
    '../../_base_/datasets/pascal_context.py',
    '../../_base_/schedules/schedule_40k_adamw.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes={{_base_.num_classes}}, vocabulary='context', cls_bg=True),
    teacher=dict(decode_head=dict(num_classes=59, vocabulary='context')),
    labelling=dict(clip_guided=(1, 3999), self_train=(4000, -1), clip_classes={{_base_.unseen}}))
data = dict(train=dict(unlabelled='unseen'))
