# Your own pictures and class names:
#   python tools/test.py configs/maskclip/maskclip_vit16_512x512_demo.py pretrain/ViT-B-16.pt \
#       --img-dir my_pictures --classes cat dog 'grass; lawn' --show-dir drawn
_base_ = [
    '../_base_/models/maskclip_vit16.py',
    '../_base_/datasets/image_folder.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(fidelity='clip'),
    decode_head=dict(
        num_classes={{_base_.num_classes}}, vocabulary={{_base_.vocabulary}}, pd_thresh=0.5))
