# PASCAL VOC 2012, 20 classes, no background.
_base_ = ['../../_base_/datasets/pascal_voc12_aug_20.py', '../../_base_/default_runtime.py']
