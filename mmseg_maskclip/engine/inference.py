"""Label maps of the samples of a data set."""

from __future__ import annotations

import os
from typing import Any, Iterator

import cv2
import mmcv
import numpy as np
import torch
from mmcv import Config
from mmcv.image import tensor2imgs
from mmcv.runner import get_dist_info
from torch import nn
from torch.utils.data import DataLoader, Subset

from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.utils import InputError, require_number, sentence_of


def samples_of_process(dataset: Any, config: Config) -> Iterator[tuple[int, Any]]:
    """This process's samples with their indices: every n-th image of n processes.

    Args:
        dataset: A test set; no image is repeated to fill up.
        config: Has the number of worker processes.

    Raises:
        InputError: Raised by the data set in a worker process.
    """
    rank, world = get_dist_info()
    indices = list(range(rank, len(dataset), world))
    workers = config.data.get('test_dataloader', {}).get(
        'workers_per_gpu', config.data.get('workers_per_gpu', 2))
    require_number(workers, 'data.workers_per_gpu', minimum=0, whole=True)
    workers = min(workers, os.cpu_count() or 1)
    named = NamedFailures(dataset, 'data.test', skip_unreadable=True)
    loader = DataLoader(Subset(named, indices), batch_size=None, shuffle=False,
                        num_workers=workers, collate_fn=_keep)
    try:
        yield from zip(indices, loader)
    except InputError as error:
        # Across processes the DataLoader puts the worker's traceback into the message.
        raise InputError(sentence_of(error)) from error


def _keep(sample: Any) -> Any:
    """Samples stay as the pipeline made them: sizes differ, nothing is stacked."""
    return sample


def label_sample(model: nn.Module, sample: dict, device: torch.device) -> np.ndarray:
    """Label map of one sample of a test pipeline.

    Args:
        model: A segmentor of mmseg, in eval mode on ``device``.
        sample: Output of the pipeline: lists of images and metas, one an
            augmentation.
        device: Where the model is.

    Returns:
        Class ids at the size of the original image, (H, W).
    """
    images = [image[None].to(device) for image in sample['img']]
    # mmcv unpacks its containers while it collates, and nothing was collated.
    metas = [[meta.data] for meta in sample['img_metas']]
    with torch.no_grad():
        return model(return_loss=False, img=images, img_metas=metas)[0]


def picture_of(sample: dict, size: tuple[int, int]) -> np.ndarray:
    """The input image of a sample, as a picture.

    Args:
        sample: As for :func:`label_sample`; of several scales the largest
            is shown.
        size: Wanted (height, width).

    Returns:
        (height, width, 3) uint8, BGR.
    """
    # The largest scale loses least when it is drawn at the original size.
    index = max(range(len(sample['img'])), key=lambda i: sample['img'][i].shape[1])
    meta = sample['img_metas'][index].data
    picture = tensor2imgs(sample['img'][index][None].cpu(), **meta['img_norm_cfg'])[0]
    height, width = meta['img_shape'][:2]
    picture = picture[:height, :width]
    if meta.get('flip'):
        picture = mmcv.imflip(picture, meta['flip_direction'])
    return cv2.resize(picture, size[::-1])
