"""Datasets and models from configs, with clear errors."""

from __future__ import annotations

import copy
import re
from contextlib import contextmanager
from typing import Iterator

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.cnn.utils import revert_sync_batchnorm
from mmseg.datasets import build_dataset as build_mmseg_dataset
from mmseg.models import build_segmentor
from torch import nn

from mmseg_maskclip import datasets, models  # noqa: F401  (registration)
from mmseg_maskclip.models.pseudo_labels.teacher import settle_by_teacher
from mmseg_maskclip.models.weights.pretrained import check_timm, settle_timm, timm_faults
from mmseg_maskclip.utils import InputError

_CONFIG_FAULT = re.compile(r'is not in the .* registry|unexpected keyword argument|'
                           r'required (positional|keyword-only) argument|must contain the key')


@contextmanager
def config_faults(what: str) -> Iterator[None]:
    """Turn what mmcv says of a config's mistake into one sentence.

    Args:
        what: What is built, e.g. ``'a model'``.

    Raises:
        InputError: Instead of what mmcv raises.
    """
    try:
        yield
    except InputError:
        raise
    except AssertionError as error:
        # So mmcv and mmseg check their arguments, often without a word but the part's name.
        said = str(error).strip(' :') or 'an argument'
        raise InputError(f'the config describes {what} that can not be built, its settings are '
                         f'refused by mmseg: {said}.') from error
    except (TypeError, KeyError, ValueError) as error:
        cause = str(error.args[0]) if error.args else ''
        if isinstance(error.__cause__, InputError) or isinstance(error.__context__, InputError):
            raise InputError(cause) from error
        if not _CONFIG_FAULT.search(cause):
            raise
        raise InputError(f'the config describes {what} that can not be built: {cause}') from error


def build_test_dataset(config: Config):
    """The dataset of ``data.test``, in test mode.

    Raises:
        InputError: If a folder, a file or a setting is wrong.
    """
    settings = copy.deepcopy(config.data.test)
    settings.test_mode = True
    with config_faults('a dataset'):
        return build_mmseg_dataset(settings)


def runs_sync_bn() -> bool:
    """Whether SyncBN can run here: several processes on GPUs."""
    return torch.cuda.is_available() and dist.is_available() and dist.is_initialized()


def build_model(config: Config, training: bool = False, pretrained: bool = True) -> nn.Module:
    """The segmentor of a config; the config itself is left as it is.

    Nothing is read from disk but by timm. SyncBN becomes BN where it can't run.

    Args:
        config: With ``model``, optionally ``train_cfg`` and ``test_cfg``.
        training: Build also what only training needs, such as a teacher.
        pretrained: Whether training starts from pretrained weights, which timm
            backbones load at once.

    Returns:
        The segmentor, on the CPU, in training mode.

    Raises:
        InputError: If the model can't be built from the config.
    """
    settings = copy.deepcopy(config.model)
    if not training:
        _keep_class_weight(settings)
        for key in ('pretrained', 'teacher', 'labelling', 'distill'):
            settings.pop(key, None)
    settle_timm(settings, training and pretrained)
    with timm_faults(settings), config_faults('a model'):
        model = build_segmentor(settings, config.get('train_cfg') if training else None,
                                config.get('test_cfg'))
        check_timm(model.backbone, settings)
    return model if runs_sync_bn() else revert_sync_batchnorm(model)


def _keep_class_weight(settings: dict) -> None:
    """What a teacher's config says of a class weight holds when it is left out."""
    weight = settings.get('class_weight')
    if not isinstance(weight, dict) or settings.get('type') != 'MaskClipPlus':
        return
    if weight.get('on') == 'teacher':
        # Nothing in testing reads it, and nobody should need its CLIP file.
        settings['class_weight'] = None
    elif settings.get('teacher'):
        settings['class_weight'] = settle_by_teacher(weight, settings['teacher'])
