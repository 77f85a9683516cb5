"""A training run that takes seconds: the smallest student, the embedded teacher."""

from __future__ import annotations

import json
from pathlib import Path

from mmseg_maskclip.tinyworld import CLASSES

from helpers.tools import ROOT

TEACHER = ROOT / 'mmseg_maskclip/tinyworld/weights/tiny_rn.pth'
_BASES = ROOT / 'configs/_base_'

_CONFIG = """
_base_ = [{dataset!r}, {runtime!r}]
norm_cfg = dict(type={norm!r}, requires_grad=True{norm_extra})
model = dict(
    type='MaskClipPlus',
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, num_stages=4,
        out_indices=(0, 1, 2, 3), norm_cfg=norm_cfg, norm_eval=False, style='pytorch'),
    decode_head=dict(
        type='MaskClipPlusHead',
        decoder=dict(type='ASPPHeadV2', in_channels=64, in_index=3, dilations=(1, 2)),
        text_channels=128, num_classes={{{{_base_.num_classes}}}},
        vocabulary={{{{_base_.vocabulary}}}}, dropout_ratio=0.1, norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    teacher=dict(
        type='MaskClip', clip_checkpoint={teacher!r},
        backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=128,
                         num_classes={{{{_base_.num_classes}}}},
                         vocabulary={{{{_base_.vocabulary}}}}),
        test_cfg=dict(mode='whole')),
    labelling=dict(clip_guided=(1, 3), self_train=(4, -1)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
custom_hooks = [dict(type='IterationHook')]
data = dict(
    samples_per_gpu=2, workers_per_gpu={workers},
    train=dict(data_root={world!r}, unlabelled='all'),
    val=dict(data_root={world!r}), test=dict(data_root={world!r}))
total_batch_size = 2
optimizer = dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=1e-4, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters={iterations})
checkpoint_config = dict(by_epoch=False, interval=1)
evaluation = dict(interval=1000, metric='mIoU', pre_eval=True)
log_config = dict(interval=1, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
"""

_PLAIN = """
_base_ = [{dataset!r}, {runtime!r}]
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, num_stages=4,
        out_indices=(0, 1, 2, 3), norm_cfg=norm_cfg, norm_eval=False, style='pytorch'),
    decode_head=dict(
        type='FCNHead', in_channels=64, in_index=3, channels=16, num_convs=1, concat_input=False,
        num_classes=14, norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(64, 64)), dict(type='RandomFlip', prob=0.5),
    dict(type='Normalize', mean=[120, 120, 120], std=[60, 60, 60]),
    dict(type='DefaultFormatBundle'), dict(type='Collect', keys=['img', 'gt_semantic_seg'])]
folder = dict(
    type='CustomDataset', data_root={world!r}, classes={classes!r}, palette={palette!r})
data = dict(samples_per_gpu=2, workers_per_gpu=0, train=dict(pipeline=pipeline, **folder),
            val=folder, test=folder)
optimizer = dict(type='SGD', lr=0.05)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=1e-4, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters={iterations})
checkpoint_config = dict(by_epoch=False, interval=1)
evaluation = dict(interval=1, metric='mIoU')
log_config = dict(interval=1, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
"""


def write_plain_config(path: Path, world: Path, iterations: int = 1) -> Path:
    """Write a config of mmseg's own segmentor and data set on the embedded world.

    Args:
        path: The config file.
        world: Folder of the written world.
        iterations: Of the run.
    """
    path.write_text(_PLAIN.format(
        dataset=str(_BASES / 'datasets/tinyworld.py'), runtime=str(_BASES / 'default_runtime.py'),
        world=str(world), iterations=iterations, classes=list(CLASSES),
        palette=[[16 * index, 9, 255 - index] for index in range(len(CLASSES))]))
    return path


def write_training_config(path: Path, world: Path, iterations: int = 6, workers: int = 0,
                          norm: str = 'BN') -> Path:
    """Write a config of a few iterations on the embedded world.

    Args:
        path: The config file.
        world: Folder of the written world.
        iterations: Of the run.
        workers: Of the data loader.
        norm: ``'SyncBN'``, ``'BN'``, or ``'GN'`` for one that knows no batch.
    """
    path.write_text(_CONFIG.format(
        dataset=str(_BASES / 'datasets/tinyworld.py'), runtime=str(_BASES / 'default_runtime.py'),
        norm=norm, norm_extra=', num_groups=2' if norm == 'GN' else '', teacher=str(TEACHER),
        world=str(world), workers=workers, iterations=iterations))
    return path


def curve(work_dir: Path, name: str = 'loss') -> dict[int, float]:
    """What the JSON logs of a folder say of each iteration; later logs win."""
    found = {}
    for path in sorted(Path(work_dir).glob('*.log.json')):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry.get('mode') == 'train':
                found[entry['iter']] = entry[name]
    return found
