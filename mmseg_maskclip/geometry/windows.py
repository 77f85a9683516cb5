"""Windows, flips and sizes of a network input, read from settings and metas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Iterator, TypeVar

import numpy as np

from mmseg_maskclip.utils import InputError

Step = tuple[int, int, int, int, tuple[int, ...], bool]
Array = TypeVar('Array', bound=Any)
DIMENSIONS = {'vertical': 1, 'horizontal': 2}
"""Axes of a (3, H, W) picture along which it is mirrored."""


@dataclass(frozen=True)
class Windows:
    """Where the windows of network inputs of one size lie.

    Attributes:
        image: (H, W) of the inputs.
        size: (h, w) of every window.
        places: (top, left) of each window.
        cover: How many windows cover each row, and each column, of an input.
    """

    image: tuple[int, int]
    size: tuple[int, int]
    places: tuple[tuple[int, int], ...]
    cover: tuple[tuple[int, ...], tuple[int, ...]]

    @classmethod
    def of(cls, test_cfg: Any, image: tuple[int, int]) -> Windows:
        """The windows that a model's settings ask for.

        Args:
            test_cfg: ``mode``, and of sliding windows ``crop_size`` and ``stride``.
            image: (H, W) of the inputs.

        Raises:
            InputError: If they can't be used.
        """
        mode = (test_cfg or {}).get('mode')
        if mode == 'whole':
            crop, stride = image, image
        elif mode == 'slide':
            crop, stride = slide_settings(test_cfg)
        else:
            raise InputError(f"test_cfg.mode is {mode!r}, expected 'whole' or 'slide'.")
        # As in mmseg, an image smaller than the crop is one window.
        size = (min(crop[0], image[0]), min(crop[1], image[1]))
        tops, lefts = (window_starts(image[axis], size[axis], stride[axis]) for axis in (0, 1))
        return cls(image, size, tuple(product(tops, lefts)),
                   (overlap_counts(image[0], size[0], tops),
                    overlap_counts(image[1], size[1], lefts)))

    def parts(self, img: Array) -> Iterator[Array]:
        """The windows of network inputs, one after the other, each (B, 3, h, w).

        Args:
            img: (B, 3, H, W), a tensor or an array.
        """
        height, width = self.size
        for top, left in self.places:
            yield img[:, :, top:top + height, left:left + width]

    def crop_of(self, meta: dict, rescale: bool) -> tuple[int, int]:
        """Rows and columns of a network input that are the image; the rest is padding.

        Args:
            meta: Of the image.
            rescale: Whether scores are wanted at the original size.
        """
        # As in mmseg, padding is cut off only on the way to the original size.
        return (meta['img_shape'][0], meta['img_shape'][1]) if rescale else self.image

    def steps(self, axis: int, meta: dict, rescale: bool) -> list[Step]:
        """From each window to the label map: arguments of ``ops.compose_resize``.

        Args:
            axis: 0 for rows, 1 for columns.
            meta: Of the image.
            rescale: Whether scores are wanted at the original size.

        Returns:
            (offset, image, crop, out, overlap, flip) of each window.
        """
        crop = self.crop_of(meta, rescale)[axis]
        out = meta['ori_shape'][axis] if rescale else self.image[axis]
        overlap = self.cover[axis] if max(self.cover[axis]) > 1 else ()
        flip = ('vertical', 'horizontal')[axis] in flipped_axes(meta)
        return [(place[axis], self.image[axis], crop, out, overlap, flip)
                for place in self.places]


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


def slide_settings(test_cfg: dict) -> tuple[tuple[int, int], tuple[int, int]]:
    """Crop size and stride of sliding windows, checked."""
    crop: Any = test_cfg.get('crop_size')
    stride: Any = test_cfg.get('stride')
    pairs = all(isinstance(value, (tuple, list)) and len(value) == 2 for value in (crop, stride))
    if not pairs or not all(0 < step <= size for step, size in zip(stride, crop)):
        raise InputError(f"test_cfg mode 'slide' has crop_size={crop} and stride={stride}, "
                         'expected two positive numbers each, no stride larger than the crop.')
    return tuple(crop), tuple(stride)


def check_direct(test_cfg: dict, activated: bool = False) -> None:
    """Refuse a ``direct_resize`` that is not True or False, or set where there are two steps."""
    direct = test_cfg.get('direct_resize', False)
    if not isinstance(direct, bool):
        raise InputError(f'test_cfg.direct_resize is {direct!r}, expected True or False.')
    if direct and test_cfg['mode'] == 'slide':
        raise InputError("test_cfg.direct_resize is for mode 'whole': windows are put together at "
                         'the size of the network input.')
    if direct and activated:
        raise InputError('test_cfg.direct_resize is True, expected False: the scores of this model '
                         'pass an activation at the size of the network input, which a direct '
                         'resize leaves out.')


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
