"""Label maps of the samples of a data set."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, Sequence

import cv2
import mmcv
import numpy as np
import torch
from mmcv import Config
from mmcv.image import tensor2imgs
from mmcv.runner import get_dist_info
from torch import nn
from torch.utils.data import DataLoader, Subset

from mmseg_maskclip.datasets import UnreadableSample
from mmseg_maskclip.engine.border import last_line
from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.utils import (
    InputError,
    TooSmallError,
    lacks_memory,
    require_number,
    sentence_of,
)

# From this side on any model takes an input: its last layers have two cells.
SMALL = 64
_SIZES = ('ori_shape', 'img_shape', 'pad_shape', 'flip', 'flip_direction')


def samples_of_process(dataset: Any, config: Config, ahead: int = 1,
                       pin: bool = False) -> Iterator[tuple[int, Any]]:
    """This process's samples with their indices: every n-th image of n processes.

    Worker processes decode the next ones while the caller is busy with one.

    Args:
        dataset: A test set; no image is repeated to fill up.
        config: Has the number of worker processes.
        ahead: How many the caller takes at a time; as many are decoded before it asks.
        pin: Whether tensors lie in memory that a GPU copies from while its CPU goes on.

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
                        num_workers=workers, collate_fn=_keep, pin_memory=pin,
                        prefetch_factor=1 + -(-ahead // workers) if workers else None)
    try:
        yield from zip(indices, loader)
    except InputError as error:
        # Across processes the DataLoader puts the worker's traceback into the message.
        raise InputError(sentence_of(error)) from error


def _keep(sample: Any) -> Any:
    """Samples stay as the pipeline made them: sizes differ, nothing is stacked."""
    return sample


def grouped(samples: Iterable[tuple[int, Any]], size: int,
            model: nn.Module) -> Iterator[list[tuple[int, Any]]]:
    """Samples in a row that can go through a model together.

    Args:
        samples: With their indices; an unreadable one fits to any.
        size: The most of a group.
        model: A segmentor. Those of this project take images whose network inputs have
            one shape, mmseg's only those that also had one size before.

    Yields:
        One group after the other, in the order of the samples.
    """
    group: list[tuple[int, Any]] = []
    shapes = None
    for index, sample in samples:
        own = shapes
        if not isinstance(sample, UnreadableSample):
            own = _shapes(sample, isinstance(model, TiledInference))
        if group and shapes is not None and own != shapes:
            yield group
            group = []
        shapes = own
        group.append((index, sample))
        if len(group) == size:
            yield group
            group, shapes = [], None
    if group:
        yield group


def _shapes(sample: dict, inputs_alone: bool) -> list:
    found: list = [image.shape for image in sample['img']]
    if not inputs_alone:
        found += [[meta.data.get(key) for key in _SIZES] for meta in sample['img_metas']]
    return found


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
    return label_samples(model, [sample], device)[0]


@contextmanager
def large_enough(images: torch.Tensor) -> Iterator[None]:
    """Say what is wrong where a convolution or a pool is larger than its input.

    Args:
        images: Network inputs, (B, 3, H, W).

    Raises:
        TooSmallError: If the model fails, and they are smaller than any model is made for.
    """
    try:
        yield
    except RuntimeError as error:
        if lacks_memory(error) or min(images.shape[2:]) >= SMALL:
            raise
        raise TooSmallError(
            f'at {images.shape[3]} x {images.shape[2]} pixels, the size that the model sees, it is '
            f'too small for it ({last_line(error)}): take a larger --size, in tests --img-scale'
        ) from error


def label_samples(model: nn.Module, samples: Sequence[dict],
                  device: torch.device) -> list[np.ndarray]:
    """Label maps of samples that go through a model together, see :func:`grouped`.

    They are those of one sample at a time, but for pixels where two classes are equal up
    to rounding: matrix products of other shapes are summed in another order.

    Args:
        model: As for :func:`label_sample`.
        samples: Outputs of the pipeline.
        device: Where the model is.

    Returns:
        Class ids at the size of each original image, (H, W).

    Raises:
        TooSmallError: If they are too small for the model.
    """
    augmentations = range(len(samples[0]['img']))
    images = [torch.stack([sample['img'][number].to(device, non_blocking=True)
                           for sample in samples]) for number in augmentations]
    # mmcv unpacks its containers while it collates, and nothing was collated.
    metas = [[sample['img_metas'][number].data for sample in samples] for number in augmentations]
    smallest = min(images, key=lambda batch: min(batch.shape[2:]))
    with torch.no_grad(), large_enough(smallest):
        return model(return_loss=False, img=images, img_metas=metas)


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
