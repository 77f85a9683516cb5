# COCO-Object, 81 classes; class 0 is the background.
_base_ = ['../../_base_/datasets/coco_object.py', '../../_base_/default_runtime.py']
