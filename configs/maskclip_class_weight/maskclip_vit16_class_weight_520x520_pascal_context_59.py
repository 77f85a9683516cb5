_base_ = '../maskclip/maskclip_vit16_520x520_pascal_context_59.py'
model = dict(class_weight=dict(mode='softmax', tau=1.0, classifier='ViT-B/16'))
