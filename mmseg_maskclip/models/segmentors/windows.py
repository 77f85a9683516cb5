"""Windows, flips and sizes of a network input, read from settings and metas."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError

DIMENSIONS = {'vertical': 1, 'horizontal': 2}
"""Axes of a (3, H, W) picture along which it is mirrored."""


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """Window starts along one axis; the last one is shifted back inside."""
    count = max(size - window + stride - 1, 0) // stride + 1
    return [max(min(index * stride + window, size) - window, 0) for index in range(count)]


def overlap_counts(size: int, window: int, starts: list[int]) -> tuple[int, ...]:
    """How many windows cover each pixel of one axis."""
    cover = np.zeros(size, dtype=int)
    for start in starts:
        cover[start:start + window] += 1
    return tuple(cover.tolist())


def to_array(labels: Tensor) -> np.ndarray:
    """A label map in mmseg's type; it leaves the GPU as int16, a quarter of the bytes."""
    return labels.to(torch.int16).cpu().numpy().astype(np.int64)


def slide_settings(test_cfg: dict) -> tuple[tuple[int, int], tuple[int, int]]:
    """Crop size and stride of sliding windows, checked."""
    crop: Any = test_cfg.get('crop_size')
    stride: Any = test_cfg.get('stride')
    pairs = all(isinstance(value, (tuple, list)) and len(value) == 2 for value in (crop, stride))
    if not pairs or not all(0 < step <= size for step, size in zip(stride, crop)):
        raise InputError(f"test_cfg mode 'slide' has crop_size={crop} and stride={stride}, "
                         'expected two positive numbers each, no stride larger than the crop.')
    return tuple(crop), tuple(stride)


def check_direct(test_cfg: dict) -> None:
    """Refuse a ``direct_resize`` that is not True or False, or set for windows."""
    direct = test_cfg.get('direct_resize', False)
    if not isinstance(direct, bool):
        raise InputError(f'test_cfg.direct_resize is {direct!r}, expected True or False.')
    if direct and test_cfg['mode'] == 'slide':
        raise InputError("test_cfg.direct_resize is for mode 'whole': windows are put together at "
                         'the size of the network input.')


def flipped_axes(meta: dict) -> tuple[str, ...]:
    """Along which axes a network input was mirrored."""
    if not meta.get('flip'):
        return ()
    direction = meta.get('flip_direction')
    if direction == 'diagonal':
        return 'horizontal', 'vertical'
    if direction not in ('horizontal', 'vertical'):
        raise InputError(f"flip_direction is {direction!r}, expected 'horizontal', 'vertical' or "
                         "'diagonal'.")
    return (direction,)
