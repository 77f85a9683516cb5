_base_ = './maskclip_plus_tinyvit_deeplabv2_tiny_256x256_400_tinyworld.py'
model = dict(class_weight=dict(mode='softmax', tau=1.0, on='student', classifier='TinyRN'))
