"""From a picture to what an exported model takes, as mmseg's test pipeline does it."""

from __future__ import annotations

import numpy as np

from mmseg_maskclip.portable.description import NO_PAD, Description
from mmseg_maskclip.utils import InputError

Padding = tuple[int, int]
_LONGEST = 100
_ONE = 1 << 11


def require_shape(size: tuple[int, int], name: str) -> None:
    """Refuse a picture that is too long and narrow to be resized.

    Args:
        size: (H, W) of the picture.
        name: What a user knows it by.

    Raises:
        InputError: If it is.
    """
    if min(size) * _LONGEST < max(size):
        raise InputError(f'{name} has {size[1]} x {size[0]} pixels, expected a long side at most '
                         f'{_LONGEST} times the short one.')


def network_size(model: Description, size: tuple[int, int],
                 name: str = 'the picture') -> tuple[int, int]:
    """(H, W) that a picture is resized to.

    Args:
        model: The exported model.
        size: (H, W) of the picture.
        name: What a user knows it by.

    Raises:
        InputError: If it is too long and narrow to be resized, or too small for the model then.
    """
    require_shape(size, name)
    found = model.img_scale[1], model.img_scale[0]
    if model.keep_ratio:
        factor = min(max(model.img_scale) / max(size), min(model.img_scale) / min(size))
        found = int(size[0] * factor + 0.5), int(size[1] * factor + 0.5)
    least = model.least if model.pad == NO_PAD else 1
    if min(found) < least:
        raise InputError(f'{name} is {found[1]} x {found[0]} pixels at the size that the model '
                         f'sees, which takes at least {least} x {least}: export it with a larger '
                         '--size.')
    return found


def resize_picture(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear without antialiasing, in the integers that OpenCV resizes 8 bits with.

    Weights have 11 bits; a row is mixed exactly, the mean of two rows drops 4 bits before the
    product and 16 behind it.

    Args:
        picture: (H, W, 3) uint8.
        size: (h, w).

    Returns:
        (h, w, 3) uint8.
    """
    if picture.shape[:2] == tuple(size):
        return picture
    top, bottom, down = _taps(picture.shape[0], size[0])
    left, right, across = _taps(picture.shape[1], size[1])
    # Both rows of each pixel, with as little of the picture as they need.
    upper, lower = ((rows[:, left] * across[0] + rows[:, right] * across[1]) >> 4
                    for rows in (picture[top].astype(np.int32), picture[bottom].astype(np.int32)))
    weights = down[:, :, None, :]
    mixed = ((upper * weights[0]) >> 16) + ((lower * weights[1]) >> 16)
    return ((mixed + 2) >> 2).astype(np.uint8)


def _taps(own: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which two pixels of an axis each new one is mixed of, and their weights (2, wanted, 1)."""
    place = ((np.arange(wanted) + 0.5) * (own / wanted) - 0.5).astype(np.float32)
    low = np.floor(place).astype(np.int64)
    share = place - low
    weights = np.rint(np.stack([1 - share, share]) * _ONE).astype(np.int32)
    return low.clip(0, own - 1), (low + 1).clip(0, own - 1), weights[:, :, None]


def padding(model: Description, size: int) -> Padding:
    """Pixels added before and after an axis; a negative number after it is cut off.

    Args:
        model: The exported model.
        size: Of a window along the axis.
    """
    if model.pad == 'drop' and size >= model.least:
        return 0, -(size % model.patch)
    missing = max(-size % model.patch, model.least - size)
    before = missing // 2 if model.pad == 'centre' else 0
    return before, missing - before


def to_input(model: Description, window: np.ndarray) -> np.ndarray:
    """What the graph takes.

    Args:
        model: The exported model.
        window: (h, w, 3) uint8.

    Returns:
        (1, 3, H, W) float32, padded.
    """
    (top, bottom), (left, right) = (padding(model, size) for size in window.shape[:2])
    window = window[:window.shape[0] + min(bottom, 0), :window.shape[1] + min(right, 0)]
    height, width = window.shape[:2]
    found = np.empty((top + height + max(bottom, 0), left + width + max(right, 0), 3), np.float32)
    found[:] = model.pad_colour
    found[top:top + height, left:left + width] = window
    return np.ascontiguousarray(found.transpose(2, 0, 1))[None]
