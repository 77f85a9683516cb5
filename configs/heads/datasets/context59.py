# PASCAL Context, 59 classes, no background.
_base_ = ['../../_base_/datasets/pascal_context_59.py', '../../_base_/default_runtime.py']
