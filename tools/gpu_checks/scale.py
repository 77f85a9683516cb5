"""How large everything is: as published, or toys for a dry run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import torch
from mmcv import Config

from mmseg_maskclip.clip import pick_device
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.utils import InputError

from benchmarks.heads import SIZES
from benchmarks.speed import SIZE
from benchmarks.zegclip import CONFIGS
from benchmarks.zegclip import SIZE as ZEGCLIP_SIZE

_PLUS = ('configs/maskclip_plus/anno_free/'
         'maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py')
_TINY_PLUS = 'configs/tiny/maskclip_plus_tinyvit8_deeplabv2_tiny_128x128_400_tinyworld.py'
_TINY_ZEGCLIP = 'configs/tiny/zegclip_tinyvit8_128x128_800_tinyworld.py'
# All that the published models have; dropout of two models can't be compared.
_AS_PUBLISHED = {'model.backbone.double_class_token': True, 'model.backbone.renormalise': False}
_TEXT = {'context_length': 77, 'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 1}
# Twelve blocks, since read-outs name some of them.
_TOYS = {
    'toy-vit': {'image_size': 64, 'layers': 12, 'width': 48, 'patch_size': 16, 'head_width': 12},
    'toy-rn': {'image_size': 64, 'layers': [1, 1, 1, 1], 'width': 8, 'head_width': 32}}


@dataclass(frozen=True)
class Scale:
    """Sizes of all parts.

    Attributes:
        device: Where everything runs.
        plus: MaskCLIP+ config of the training step.
        batch: Its images.
        crop: Height and width of its crops.
        models: CLIP models of the label parts, by the names of the published ones.
        size: Height and width of the image that is labelled.
        readout_sizes: Sides of the images of the read-outs.
        zegclip: Inductive configs, by part.
        zegclip_batch: Images of a ZegCLIP step.
        zegclip_size: Height and width of its crops.
        scenes: Of the embedded world that trained towers label.
        repeats: Timed turns.
    """

    device: torch.device
    plus: Config
    batch: int
    crop: tuple[int, int]
    models: Mapping[str, str]
    size: tuple[int, int]
    readout_sizes: tuple[int, ...]
    zegclip: Mapping[str, Config]
    zegclip_batch: int
    zegclip_size: tuple[int, int]
    scenes: int
    repeats: int


def scale_of(dry_run: bool, folder: Path) -> Scale:
    """The sizes of a run.

    Args:
        dry_run: Toys on the CPU.
        folder: A temporary one, for the configs of the toys.

    Raises:
        InputError: If there is no GPU.
    """
    if dry_run:
        return _toys(folder)
    if not torch.cuda.is_available():
        raise InputError('torch finds no GPU here: add --dry-run for toy sizes on the CPU.')
    names = ('ViT-B/16', 'ViT-L/14', 'RN50x16')
    return Scale(
        device=pick_device('cuda'), plus=load_config(_PLUS), batch=8, crop=(480, 480),
        models={name: name for name in names}, size=SIZE, readout_sizes=SIZES,
        zegclip=dict(zip(('zegclip-voc', 'zegclip-stuff'), map(load_config, CONFIGS))),
        zegclip_batch=4, zegclip_size=ZEGCLIP_SIZE, scenes=32, repeats=5)


def _toys(folder: Path) -> Scale:
    import open_clip

    # As architectures of open_clip, so that toys go the way of the published models.
    for name, vision in _TOYS.items():
        (folder / f'{name}.json').write_text(json.dumps({
            'embed_dim': 128, 'quick_gelu': True, 'vision_cfg': vision, 'text_cfg': _TEXT}))
    open_clip.add_model_config(folder)
    zegclip = load_config(_TINY_ZEGCLIP, _AS_PUBLISHED)
    return Scale(
        device=pick_device('cpu'),
        plus=load_config(_TINY_PLUS, {'model.teacher.backbone.arch': 'toy-vit'}), batch=2,
        crop=(64, 64), size=(64, 96), readout_sizes=(96,),
        models={'ViT-B/16': 'toy-vit', 'ViT-L/14': 'toy-vit', 'RN50x16': 'toy-rn'},
        zegclip={'zegclip-voc': zegclip, 'zegclip-stuff': zegclip}, zegclip_batch=1,
        zegclip_size=(64, 64), scenes=2, repeats=1)
