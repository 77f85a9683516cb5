_base_ = './maskclip_plus_tinyvit8_deeplabv2_tiny_128x128_400_tinyworld.py'
model = dict(labelling=dict(
    clip_guided=(1, 199), self_train=(200, -1), clip_classes={{_base_.unseen}}))
data = dict(train=dict(unlabelled='unseen'))
