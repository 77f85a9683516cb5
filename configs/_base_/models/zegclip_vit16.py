# ZegCLIP on OpenAI's ViT-B/16, which stays frozen; prompts and decoder learn.
# The class embedding counted twice, bilinear positions and ImageNet's statistics are ZegCLIP's own,
# and published numbers come with them.
model = dict(
    type='ZegClip',
    mode='inductive',
    clip_checkpoint='pretrain/ViT-B-16.pt',
    transfer=False,
    backbone=dict(
        type='PromptedClipViT',
        arch='ViT-B/16',
        prompt_depth='deep',
        prompt_dropout=0.1,
        prompt_norm=True,
        double_class_token=True,
        renormalise=False,
        positions='bilinear',
        stored_grid=(32, 32),
        pad='drop'),
    decode_head=dict(
        type='ZegClipHead',
        text_channels=512,
        templates='zegclip15',
        embed_dims=512,
        num_layers=3,
        num_heads=8,
        dropout_ratio=0.1,
        loss_decode=dict(
            type='FocalDiceLoss', mask_weight=100.0, dice_weight=1.0, ignore_in_loss=False)),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(426, 426), seen_offset=0.1))
