# ZegCLIP on OpenAI's ViT-L/14. No numbers are published for it, so the tower runs as CLIP was
# trained, and the last patches of a crop of 512 are padded.
_base_ = './zegclip_vit16.py'
model = dict(
    clip_checkpoint='pretrain/ViT-L-14.pt',
    backbone=dict(
        arch='ViT-L/14',
        double_class_token=False,
        renormalise=True,
        stored_grid=(37, 37),
        pad='corner'),
    decode_head=dict(text_channels=768, embed_dims=768, num_heads=12))
