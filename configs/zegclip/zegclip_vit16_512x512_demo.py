# Your own pictures and class names, with a checkpoint that was trained on COCO-Stuff:
#   python tools/test.py configs/zegclip/zegclip_vit16_512x512_demo.py CHECKPOINT \
#       --img-dir my_pictures --classes cat dog 'grass; lawn' --show-dir drawn
_base_ = [
    '../_base_/models/zegclip_vit16_transfer.py',
    '../_base_/datasets/zegclip/image_folder.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(
    num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}))
