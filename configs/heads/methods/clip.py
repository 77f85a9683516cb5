# CLIP's own last block, read densely.
model = dict(
    type='MaskClip',
    backbone=dict(
        type='ClipViT', arch='ViT-B/16', fidelity='clip', positions='plus', pad='centre',
        readout=dict(type='AttentionReadout', pairs='qk')),
    decode_head=dict(
        type='MaskClipHead', text_channels=512, templates='imagenet80', synonyms='separate'),
    test_cfg=dict(mode='whole', direct_resize=True))
