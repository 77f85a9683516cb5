_base_ = '../maskclip/maskclip_vit16_512x512_coco-stuff164k.py'
model = dict(class_weight=dict(mode='softmax', tau=1.0, classifier='ViT-B/16'))
