_base_ = './maskclip_tinyvit_256x256_tinyworld.py'
model = dict(class_weight=dict(mode='softmax', tau=1.0, classifier='TinyRN'))
