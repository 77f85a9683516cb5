"""Tiny ZegCLIP models, built without files, and configs of runs that take seconds."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from mmcv import Config

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.build import build_model

from helpers.tools import ROOT

ARCH = dict(width=32, layers=3, heads=2, patch_size=8, image_size=32, embed_dim=16)
CLASSES = 5
UNSEEN = [1, 3]
_BASES = ROOT / 'configs/_base_'

_CONFIG = """
_base_ = [{model!r}, {dataset!r}, {runtime!r}]
model = dict(
    mode={mode!r}, unseen={{{{_base_.unseen}}}}, clip_checkpoint='TinyViT',
    backbone=dict(arch='TinyViT', num_prompts=2, stored_grid=(8, 8), prompt_dropout={dropout}),
    decode_head=dict(num_classes={{{{_base_.num_classes}}}}, vocabulary={{{{_base_.vocabulary}}}},
                     templates='single', embed_dims=32, num_layers=2, num_heads=2,
                     dropout_ratio={dropout}),
    test_cfg=dict(crop_size=(64, 64), stride=(64, 64)))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabels'),
    dict(type='Resize', img_scale=(64, 64)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    dict(type='DefaultFormatBundle'), dict(type='Collect', keys=['img', 'gt_semantic_seg'])]
data = dict(
    samples_per_gpu=2, workers_per_gpu=0,
    train=dict(data_root={world!r}, unlabelled={unlabelled!r}, pipeline=train_pipeline),
    val=dict(data_root={world!r}), test=dict(data_root={world!r}))
total_batch_size = 2
optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.01)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=1e-6, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters={iterations})
checkpoint_config = dict(by_epoch=False, interval=1)
evaluation = dict(interval=1000, metric='mIoU', pre_eval=True)
log_config = dict(interval=1, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
"""


def write_zegclip_config(path: Path, world: Path, mode: str = 'inductive', iterations: int = 4,
                         dropout: float = 0.1) -> Path:
    """Write a config of a few iterations on the embedded world, on the embedded TinyViT.

    Args:
        path: The config file.
        world: Folder of the written world.
        mode: Of the model; training sees the labels that belong to it.
        iterations: Of the run.
        dropout: Of prompts and decoder.
    """
    path.write_text(_CONFIG.format(
        model=str(_BASES / 'models/zegclip_tinyvit8.py'),
        dataset=str(_BASES / 'datasets/tinyworld.py'), runtime=str(_BASES / 'default_runtime.py'),
        world=str(world), mode=mode, iterations=iterations, dropout=dropout,
        unlabelled=None if mode == 'supervised' else 'unseen'))
    return path


def zegclip_config(mode='inductive', backbone=None, head=None, loss=None, test_cfg=None, **model):
    """A config; ``backbone``, ``head``, ``loss`` and ``test_cfg`` override keys of these."""
    return Config(dict(model=dict(**{**dict(
        type='ZegClip', mode=mode, unseen=UNSEEN,
        backbone=dict(**{**dict(type='PromptedClipViT', arch=ARCH, num_prompts=2,
                                prompt_dropout=0.0), **(backbone or {})}),
        decode_head=dict(**{**dict(type='ZegClipHead', num_classes=CLASSES, text_channels=16,
                                   embed_dims=16, num_layers=2, num_heads=2, dropout_ratio=0.0,
                                   loss_decode=dict(type='FocalDiceLoss', **(loss or {}))),
                            **(head or {})}),
        train_cfg=dict(), test_cfg=dict(mode='whole', **(test_cfg or {}))), **model})))


def build_zegclip(*args, rows=None, **kwargs):
    """The model in training mode, with random text embeddings; seeded.

    Args:
        args: As for :func:`zegclip_config`.
        rows: Class of each row of the text embeddings; None for one a class.
        kwargs: As there.
    """
    torch.manual_seed(0)
    model = build_model(zegclip_config(*args, **kwargs), training=True)
    classes = model.decode_head.num_classes
    rows = list(range(classes)) if rows is None else rows
    torch.manual_seed(5)
    model.decode_head.set_text_bank(TextBank(
        embeddings=F.normalize(torch.randn(len(rows), model.decode_head.text_channels), dim=1),
        class_names=tuple(map(str, range(classes))), row_class=torch.tensor(rows)))
    model.iteration = 1
    return model.train()


def step(model, labels, seed=1):
    """Losses of one step on seeded noise."""
    torch.manual_seed(seed)
    image = torch.randn(len(labels), 3, *labels.shape[2:])
    metas = [dict(filename=f'{index}.jpg') for index in range(len(image))]
    return model.forward_train(image, metas, labels)
