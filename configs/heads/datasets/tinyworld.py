# The embedded world, 14 classes, no background.
_base_ = ['../../_base_/datasets/tinyworld.py', '../../_base_/default_runtime.py']
