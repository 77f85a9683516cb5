# COCO-Stuff 164k, 171 classes, no background.
_base_ = ['../../_base_/datasets/coco-stuff164k.py', '../../_base_/default_runtime.py']
