"""Datasets and models from configs, with clear errors."""

from __future__ import annotations

import copy

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.cnn.utils import revert_sync_batchnorm
from mmseg.datasets import CustomDataset
from mmseg.datasets import build_dataset as build_mmseg_dataset
from mmseg.models import build_segmentor
from torch import nn

from mmseg_maskclip import datasets, models  # noqa: F401  (registration)
from mmseg_maskclip.datasets.joined import build_evaluated
from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.samples import require_test_pipeline
from mmseg_maskclip.models.weights.pretrained import check_timm, settle_timm, timm_source
from mmseg_maskclip.utils import InputError


def build_test_dataset(config: Config, skip_unreadable: bool = False) -> CustomDataset:
    """The dataset of ``data.test``, in test mode.

    Args:
        config: With ``data.test``.
        skip_unreadable: Whether an image that can't be read is left out instead
            of an error, where the data set knows how.

    Raises:
        InputError: If a folder, a file or a setting is wrong.
    """
    with from_config('data.test'):
        if isinstance(config.data.test, dict) and config.data.test.get('separate_eval'):
            raise InputError('separate_eval=True is not possible in tools/test.py, which '
                             'evaluates several folders as one: test them one by one.')
        dataset = build_evaluated(config.data.test, skip_unreadable)
    require_test_pipeline(dataset, 'data.test')
    return dataset


def build_validation_dataset(config: Config) -> CustomDataset:
    """The dataset of ``data.val``, in test mode.

    Args:
        config: With ``data.val``.

    Raises:
        InputError: If a folder, a file or a setting is wrong.
    """
    settings = config.data.val
    with from_config('data.val'):
        if isinstance(settings, dict) and settings.get('separate_eval'):
            # Asked for by name, metrics are those of each folder, as mmseg calls them.
            dataset = build_mmseg_dataset({**copy.deepcopy(settings), 'test_mode': True})
        else:
            dataset = build_evaluated(settings)
    require_test_pipeline(dataset, 'data.val')
    return dataset


def runs_sync_bn() -> bool:
    """Whether SyncBN can run here: several processes on GPUs."""
    return torch.cuda.is_available() and dist.is_available() and dist.is_initialized()


def build_model(config: Config, training: bool = False, pretrained: bool = True) -> nn.Module:
    """The segmentor of a config; the config itself is left as it is.

    Only timm reads from disk. SyncBN becomes BN where it can't run.

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
        # Without them no teacher is built; its config stays, which the class weight reads.
        for key in ('pretrained', 'labelling', 'distill'):
            settings.pop(key, None)
    with from_config('model'):
        settle_timm(settings, training and pretrained)
    with from_config(f'model{timm_source(settings)}'):
        model = build_segmentor(settings, config.get('train_cfg') if training else None,
                                config.get('test_cfg'))
        # timm has loaded its weights by now, while init_weights of the others is still to come.
        check_timm(model.backbone, settings)
    # Published configs name SyncBN, which runs on GPUs and in a process group only.
    return model if runs_sync_bn() else revert_sync_batchnorm(model)
