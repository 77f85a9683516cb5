# The student's features follow the teacher's; no pixel is labelled. CLIP's features have both
# signs, so the decoder ends without ReLU.
_base_ = './maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py'
model = dict(
    decode_head=dict(decoder=dict(act_cfg=None)),
    labelling=dict(clip_guided=(-1, -1)),
    distill=dict(loss_weight=1.0, labelled=True, normalise=True))
