_base_ = './maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py'
model = dict(class_weight=dict(mode='softmax', tau=1.0, on='student', classifier='ViT-B/16'))
