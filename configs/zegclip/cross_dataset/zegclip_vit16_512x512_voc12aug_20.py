_base_ = [
    '../../_base_/models/zegclip_vit16_transfer.py',
    '../../_base_/datasets/zegclip/pascal_voc12_aug_20.py',
    '../../_base_/default_runtime.py',
]
model = dict(decode_head=dict(
    num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
data = dict(val=dict(unseen=[]), test=dict(unseen=[]))
