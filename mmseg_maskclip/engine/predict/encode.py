"""From a picture to what a model has read of it."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np
import torch
from mmseg.datasets.pipelines import Compose
from torch import nn

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.inference import large_enough
from mmseg_maskclip.models.segmentors.encoding import EncodedInput
from mmseg_maskclip.portable.inputs import require_shape
from mmseg_maskclip.portable.pictures import Picture


class EncodedView(NamedTuple):
    """One augmentation of a picture.

    Attributes:
        encoded: What the model has read of it.
        meta: Its sizes and flip, as mmseg keeps them.
    """

    encoded: EncodedInput
    meta: dict


def prepare(pipeline: Compose, picture: Picture) -> dict:
    """Network inputs of a picture.

    Args:
        pipeline: The steps of a test pipeline behind the reading of a file.
        picture: The picture.

    Returns:
        Lists ``img`` of (3, H, W) tensors and ``img_metas``, one an augmentation.

    Raises:
        InputError: If it is too long and narrow to be resized.
    """
    height, width = picture.rgb.shape[:2]
    # mmcv reads pictures as BGR, and normalises them as RGB.
    image = np.ascontiguousarray(picture.rgb[:, :, ::-1])
    sample = {'img': image, 'img_shape': image.shape, 'ori_shape': image.shape,
              'pad_shape': image.shape, 'scale_factor': 1.0, 'img_fields': ['img'],
              'filename': picture.path, 'ori_filename': picture.path,
              'img_norm_cfg': {'mean': np.zeros(3), 'std': np.ones(3), 'to_rgb': False}}
    name = picture.path or 'the picture'
    require_shape((height, width), name)
    with from_config('data.test.pipeline', f'cannot take {name}'):
        return pipeline(sample)


def encode(model: nn.Module, samples: Sequence[dict],
           device: torch.device) -> list[list[EncodedView]]:
    """Read prepared pictures; those whose inputs have one size, together.

    Args:
        model: A segmentor that :class:`EncodesInputs`, in evaluation mode.
        samples: Outputs of :func:`prepare`, all inputs of one shape.
        device: Where the model is.

    Returns:
        The views of each picture.

    Raises:
        TooSmallError: If they are too small for the model.
    """
    views: list[list[EncodedView]] = [[] for _ in samples]
    for number in range(len(samples[0]['img'])):
        batch = torch.stack([sample['img'][number] for sample in samples]).to(device)
        with large_enough(batch):
            encoded_batch = model.encode(batch)
        for found, sample, encoded in zip(views, samples, encoded_batch):
            found.append(EncodedView(encoded, sample['img_metas'][number].data))
    return views
