_base_ = '../maskclip/maskclip_r50_512x512_voc12aug_20.py'
model = dict(class_weight=dict(mode='softmax', tau=0.25, classifier='ViT-B/16'))
