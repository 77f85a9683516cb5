# Cityscapes, 19 classes, no background.
_base_ = ['../../_base_/datasets/cityscapes.py', '../../_base_/default_runtime.py']
