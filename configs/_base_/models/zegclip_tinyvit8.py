# ZegCLIP on the embedded TinyViT8, which runs as it was trained; names are asked as MaskCLIP does.
_base_ = './zegclip_vit16.py'
model = dict(
    clip_checkpoint='TinyViT8',
    backbone=dict(
        arch='TinyViT8',
        num_prompts=8,
        double_class_token=False,
        renormalise=True,
        stored_grid=(16, 16)),
    decode_head=dict(text_channels=128, templates='imagenet85', embed_dims=128, num_heads=4),
    test_cfg=dict(crop_size=(128, 128), stride=(64, 64)))
