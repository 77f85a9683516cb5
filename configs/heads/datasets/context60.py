# PASCAL Context, 60 classes; class 0 is the background.
_base_ = ['../../_base_/datasets/pascal_context.py', '../../_base_/default_runtime.py']
