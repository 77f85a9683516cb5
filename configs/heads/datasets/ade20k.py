# ADE20K, 150 classes, no background.
_base_ = ['../../_base_/datasets/ade20k.py', '../../_base_/default_runtime.py']
