# PASCAL VOC 2012, 21 classes; class 0 is the background.
_base_ = ['../../_base_/datasets/pascal_voc12_aug.py', '../../_base_/default_runtime.py']
