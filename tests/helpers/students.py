"""Tiny MaskCLIP+ models of every kind of student, built without files."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv import Config

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.build import build_model

NORM = dict(type='BN', requires_grad=True)
RESNET = dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=NORM)
DECODERS = {
    'deeplabv2': (RESNET, dict(type='ASPPHeadV2', in_channels=64, in_index=3)),
    'deeplabv3plus': (RESNET, dict(type='DepthwiseSeparableASPPHead', in_channels=64, in_index=3,
                                   dilations=(1, 12), c1_in_channels=8, c1_channels=4)),
    'psp': (RESNET, dict(type='PSPHead', in_channels=64, in_index=3, pool_scales=(1, 2))),
    'segformer': (dict(type='MixVisionTransformer', embed_dims=8, num_heads=[1, 1, 1, 1],
                       num_layers=[1, 1, 1, 1]),
                  dict(type='SegformerHead', in_channels=[8, 8, 8, 8], in_index=[0, 1, 2, 3])),
    'convnext': (dict(type='TIMMBackbone', model_name='convnext_atto', features_only=True,
                      pretrained=False),
                 dict(type='FCNHead', in_channels=320, in_index=3, num_convs=1)),
}
CLASSES = 5


def teacher_config(num_classes=CLASSES):
    """The smallest MaskCLIP."""
    return dict(type='MaskClip', backbone=dict(type='ClipViT', arch=dict(
        width=32, layers=2, heads=2, patch_size=8, image_size=32, embed_dim=16)),
        decode_head=dict(type='MaskClipHead', num_classes=num_classes, text_channels=16),
        test_cfg=dict(mode='whole'))


def random_bank(num_classes=CLASSES):
    """Seeded unit rows."""
    torch.manual_seed(5)
    return TextBank(embeddings=F.normalize(torch.randn(num_classes, 16), dim=1),
                    class_names=tuple(map(str, range(num_classes))))


def student_config(student='deeplabv2', labelling=None, teacher=None, model=None, **head):
    """A config; ``head`` and ``model`` override keys of the head and of the segmentor."""
    backbone, decoder = DECODERS[student]
    return Config(dict(model=dict(
        type='MaskClipPlus', backbone=backbone,
        decode_head=dict(**{**dict(
            type='MaskClipPlusHead', decoder=decoder, num_classes=CLASSES, text_channels=16,
            norm_cfg=NORM, dropout_ratio=0), **head}),
        teacher=None if teacher is False else teacher or teacher_config(),
        labelling=labelling if labelling is not None else dict(clip_guided=(1, -1)),
        train_cfg=dict(), test_cfg=dict(mode='whole'), **(model or {}))))


def build_student(*args, **kwargs):
    """The model in training mode, with random texts; seeded."""
    torch.manual_seed(0)
    model = build_model(student_config(*args, **kwargs), training=True)
    texts = model.decode_head.text.num_classes
    model.decode_head.set_text_bank(random_bank(texts))
    if model.teacher is not None:
        model.teacher.decode_head.set_text_bank(random_bank(texts))
    return model.train()


def train_step(model, labels, iteration=1):
    """Losses of one step on seeded noise, and the noise."""
    torch.manual_seed(1)
    image = torch.randn(*labels.shape[:1], 3, *labels.shape[2:])
    model.iteration = iteration
    metas = [dict(filename=f'{index}.jpg') for index in range(len(image))]
    return model.forward_train(image, metas, labels), image


def unlabelled(batch=2, size=64):
    """Labels (B, 1, size, size) of which none is given."""
    return torch.full((batch, 1, size, size), -1)
