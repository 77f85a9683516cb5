"""Inference: scores resized, turned into labels or probabilities, tile by tile."""

from __future__ import annotations

from itertools import product
from typing import Any, Iterator

import numpy as np
import torch
from mmseg.ops import resize
from torch import Tensor

from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map, probability_map
from mmseg_maskclip.ops.resize import AxisResize
from mmseg_maskclip.utils import InputError


def _windows(size: int, window: int, stride: int) -> list[int]:
    """Window starts along one axis; the last one is shifted back inside."""
    count = max(size - window + stride - 1, 0) // stride + 1
    return [max(min(index * stride + window, size) - window, 0) for index in range(count)]


def _overlap(size: int, window: int, starts: list[int]) -> tuple[int, ...]:
    """How many windows cover each pixel of one axis."""
    cover = np.zeros(size, dtype=int)
    for start in starts:
        cover[start:start + window] += 1
    return tuple(cover.tolist())


def _to_array(labels: Tensor) -> np.ndarray:
    """A label map in mmseg's type; it leaves the GPU as int16, a quarter of the bytes."""
    return labels.to(torch.int16).cpu().numpy().astype(np.int64)


def _slide_settings(test_cfg: dict) -> tuple[tuple[int, int], tuple[int, int]]:
    """Crop size and stride of sliding windows, checked."""
    crop: Any = test_cfg.get('crop_size')
    stride: Any = test_cfg.get('stride')
    pairs = all(isinstance(value, (tuple, list)) and len(value) == 2 for value in (crop, stride))
    if not pairs or not all(0 < step <= size for step, size in zip(stride, crop)):
        raise InputError(f"test_cfg mode 'slide' has crop_size={crop} and stride={stride}, "
                         'expected two positive numbers each, no stride larger than the crop.')
    return tuple(crop), tuple(stride)


def _flipped_axes(meta: dict) -> tuple[str, ...]:
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


class TiledInference:
    """Mixin: mmseg's inference on score grids, for its segmentors.

    It computes what mmseg's ``whole`` and ``slide`` inference, flips and scales
    do, but label maps need no scores of K x H x W. A segmentor implements
    :meth:`score_grid`, the scores of a network input, and may override
    :meth:`probabilities`; ``simple_test``, ``aug_test``, ``inference`` and
    ``encode_decode`` are built on these two.
    """

    test_cfg: Any
    align_corners: bool

    def prior_of(self, img: Tensor, img_metas: list[dict]) -> Tensor | None:
        """The class prior of whole images, computed once for all their windows.

        Args:
            img: Whole network inputs, (B, 3, H, W).
            img_metas: One dict an image.

        Returns:
            Cosines with the classes, (B, K), or None.
        """
        return None

    def score_grid(self, img: Tensor, img_metas: list[dict],
                   prior: Tensor | None = None) -> Tensor:
        """Scores of a network input on the model's own grid.

        Args:
            img: (B, 3, H, W), whole inputs or windows of them.
            img_metas: One dict an image.
            prior: Output of :meth:`prior_of`.

        Returns:
            (B, K, h, w).
        """
        raise NotImplementedError

    def probabilities(self, scores: Tensor) -> Tensor:
        """Class probabilities of scores, in the same order.

        Args:
            scores: (..., K).

        Returns:
            (..., K), of sum 1.
        """
        return scores.softmax(dim=-1)

    def encode_decode(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """Scores of whole network inputs at their size, (B, K, H, W).

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
        """
        scores = self.score_grid(img, img_metas, self.prior_of(img, img_metas))
        return resize(scores, size=img.shape[2:], mode='bilinear',
                      align_corners=self.align_corners)

    def inference(self, img: Tensor, img_meta: list[dict], rescale: bool) -> Tensor:
        """Class probabilities, (B, K, H, W); their arg-max is :meth:`simple_test`.

        Args:
            img: (B, 3, H, W).
            img_meta: One dict an image; with ``rescale`` all of one original size.
            rescale: Return at the size of the original image.
        """
        return torch.stack([probability_map([scores], self.probabilities)
                            for scores in self._score_maps(img, img_meta, rescale)])

    def _score_maps(self, img: Tensor, metas: list[dict], rescale: bool) -> list[ScoreMap]:
        """One score map per image of the batch."""
        mode = self.test_cfg.mode
        height, width = img.shape[2:]
        if mode == 'whole':
            crop, stride = (height, width), (height, width)
        elif mode == 'slide':
            crop, stride = _slide_settings(self.test_cfg)
        else:
            raise InputError(f"test_cfg.mode is {mode!r}, expected 'whole' or 'slide'.")
        # As in mmseg, an image smaller than the crop is one window.
        window = (min(crop[0], height), min(crop[1], width))
        tops = _windows(height, window[0], stride[0])
        lefts = _windows(width, window[1], stride[1])
        cover = (_overlap(height, window[0], tops), _overlap(width, window[1], lefts))
        prior = self.prior_of(img, metas)
        # All images go through the network together; their maps are composed one by one, since
        # their original sizes differ.
        grids = [self.score_grid(img[:, :, top:top + window[0], left:left + window[1]], metas,
                                 prior)
                 for top, left in product(tops, lefts)]
        maps = []
        for index, meta in enumerate(metas):
            rows = [self._axis(0, grid, window, top, img, meta, cover, rescale)
                    for grid, (top, _) in zip(grids, product(tops, lefts))]
            columns = [self._axis(1, grid, window, left, img, meta, cover, rescale)
                       for grid, (_, left) in zip(grids, product(tops, lefts))]
            maps.append(ScoreMap([grid[index] for grid in grids], rows, columns))
        return maps

    def _axis(self, axis: int, grid: Tensor, window: tuple[int, int], offset: int, img: Tensor,
              meta: dict, cover: tuple, rescale: bool) -> AxisResize:
        image = img.shape[2 + axis]
        # As in mmseg, padding is cut off only on the way to the original size.
        crop = meta['img_shape'][axis] if rescale else image
        out = meta['ori_shape'][axis] if rescale else image
        flip = ('vertical', 'horizontal')[axis] in _flipped_axes(meta)
        return compose_resize(grid.shape[2 + axis], window[axis], offset, image, crop, out,
                              cover[axis] if max(cover[axis]) > 1 else (), flip,
                              self.align_corners)

    def simple_test(self, img: Tensor, img_meta: list[dict], rescale: bool = True) -> list:
        """Label maps of a batch.

        Args:
            img: (B, 3, H, W).
            img_meta: One dict an image.
            rescale: Return at the size of the original image.

        Returns:
            One (H, W) int64 array an image.
        """
        return [_to_array(label_map([scores], self.probabilities))
                for scores in self._score_maps(img, img_meta, rescale)]

    def aug_test(self, imgs: list[Tensor], img_metas: list[list[dict]],
                 rescale: bool = True) -> list:
        """Label maps by the mean probability over several flips and scales.

        Args:
            imgs: Augmented inputs, each (B, 3, H, W).
            img_metas: Per augmentation, one dict an image.
            rescale: Must be true: maps are averaged at the original size.

        Returns:
            One (H, W) int64 array an image.
        """
        return [_to_array(label_map(maps, self.probabilities))
                for maps in self._augmented(imgs, img_metas, rescale)]

    def aug_test_logits(self, img: list[Tensor], img_metas: list[list[dict]],
                        rescale: bool = True) -> np.ndarray:
        """Mean probabilities of several flips and scales, (B, K, H, W).

        Args:
            img: Augmented inputs, each (B, 3, H, W).
            img_metas: Per augmentation, one dict an image.
            rescale: Must be true: maps are averaged at the original size.
        """
        return torch.stack([probability_map(maps, self.probabilities)
                            for maps in self._augmented(img, img_metas, rescale)]).cpu().numpy()

    def _augmented(self, imgs: list[Tensor], img_metas: list[list[dict]],
                   rescale: bool) -> Iterator[tuple[ScoreMap, ...]]:
        """The score maps of all augmentations of one image after the other."""
        if not rescale:
            raise InputError('flips and scales can only be averaged at the original image size.')
        return zip(*[self._score_maps(img, metas, rescale)
                     for img, metas in zip(imgs, img_metas)])
