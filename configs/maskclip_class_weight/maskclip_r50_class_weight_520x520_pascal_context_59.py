_base_ = '../maskclip/maskclip_r50_520x520_pascal_context_59.py'
model = dict(class_weight=dict(mode='softmax', tau=0.25, classifier='ViT-B/16'))
