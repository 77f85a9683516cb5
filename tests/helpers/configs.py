"""The shipped configs, each loaded and built once a process for all tests."""

from __future__ import annotations

import copy
from functools import cache, partial
from pathlib import Path
from unittest import mock

import torch
from mmcv import Config
from torch import nn

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
# Whole configs; the others are parts of them.
LEAVES = sorted(path for path in CONFIGS.glob('*/**/*.py') if '_base_' not in path.parts
                and path.parent.parent != CONFIGS / 'heads')


@cache
def loaded(path: Path) -> Config:
    """A config as :func:`load_config` gives it; a test that changes it takes a deep copy."""
    return load_config(str(path))


@cache
def built(path: Path) -> nn.Module:
    """The model of a config with its teacher, on the meta device: it has shapes but no memory."""
    return built_from(copy.deepcopy(loaded(path)))


def built_from(config: Config) -> nn.Module:
    """The model of a config, which is changed, on the meta device."""
    if config.model.backbone.type == 'TIMMBackbone':
        config.model.backbone.pretrained = None
    # MiT counts its stochastic depths on the device that linspace is made on.
    with mock.patch.object(torch, 'linspace', partial(torch.linspace, device='cpu')), \
            torch.device('meta'):
        return build_model(config, training=config.model.type == 'MaskClipPlus')
