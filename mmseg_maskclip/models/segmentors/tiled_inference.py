"""Inference: scores resized, turned into labels or probabilities, tile by tile."""

from __future__ import annotations

from itertools import product
from typing import Any, Iterator, Sequence

import numpy as np
import torch
from mmseg.ops import resize
from torch import Tensor

from mmseg_maskclip.models.refiners import View
from mmseg_maskclip.models.segmentors.windows import (
    DIMENSIONS,
    check_direct,
    flipped_axes,
    overlap_counts,
    slide_settings,
    to_array,
    window_starts,
)
from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map, probability_map
from mmseg_maskclip.ops.resize import AxisResize
from mmseg_maskclip.utils import InputError


class TiledInference:
    """Mixin: mmseg's inference on score grids, for its segmentors.

    It computes what mmseg's ``whole`` and ``slide`` inference, flips and scales
    do, but label maps need no scores of K x H x W. A segmentor implements
    :meth:`score_grid`, the scores of a network input, and may override
    :meth:`probabilities`, :meth:`label_image` and :meth:`image_probabilities`;
    ``simple_test``, ``aug_test``, ``inference`` and ``encode_decode`` are built on these.
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

    def token_of(self, img: Tensor) -> Tensor | None:
        """CLIP's embeddings of whole images, computed once for all their windows.

        Args:
            img: Whole network inputs, (B, 3, H, W).

        Returns:
            (B, D), or None where none are needed or :meth:`score_grid` has its own.
        """
        return None

    def score_padding(self, size: int) -> tuple[int, int]:
        """Pixels before and after an axis of a window that the grid covers, too.

        Args:
            size: Pixels of the window along the axis.
        """
        return 0, 0

    def score_grid(self, img: Tensor, img_metas: list[dict], prior: Tensor | None = None,
                   token: Tensor | None = None) -> Tensor:
        """Scores of a network input on the model's own grid.

        Args:
            img: (B, 3, H, W), whole inputs or windows of them.
            img_metas: One dict an image.
            prior: Output of :meth:`prior_of`.
            token: Output of :meth:`token_of`.

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

    def label_image(self, views: Sequence[View]) -> Tensor:
        """Class ids of an image, (H, W) int64; 255 is none of the classes.

        Args:
            views: Its augmentations.
        """
        return label_map([view.scores for view in views], self.probabilities)

    def image_probabilities(self, views: Sequence[View]) -> Tensor:
        """Class probabilities of an image, (K, H, W).

        Args:
            views: Its augmentations.
        """
        return probability_map([view.scores for view in views], self.probabilities)

    def encode_decode(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """Scores of whole network inputs at their size, (B, K, H, W).

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
        """
        scores = self.score_grid(img, img_metas, self.prior_of(img, img_metas),
                                 self.token_of(img))
        height, width = img.shape[2:]
        (top, bottom), (left, right) = self.score_padding(height), self.score_padding(width)
        scores = resize(scores, size=(top + height + bottom, left + width + right),
                        mode='bilinear', align_corners=self.align_corners)
        return scores[:, :, top:top + height, left:left + width]

    def inference(self, img: Tensor, img_meta: list[dict], rescale: bool) -> Tensor:
        """Class probabilities, (B, K, H, W); their arg-max is :meth:`simple_test`.

        Args:
            img: (B, 3, H, W).
            img_meta: One dict an image; with ``rescale`` all of one original size.
            rescale: Return at the size of the original image.
        """
        return torch.stack([self.image_probabilities([view])
                            for view in self._views(img, img_meta, rescale)])

    def _views(self, img: Tensor, metas: list[dict], rescale: bool) -> list[View]:
        """One view per image of the batch."""
        mode = self.test_cfg.mode
        height, width = img.shape[2:]
        if mode == 'whole':
            crop, stride = (height, width), (height, width)
        elif mode == 'slide':
            crop, stride = slide_settings(self.test_cfg)
        else:
            raise InputError(f"test_cfg.mode is {mode!r}, expected 'whole' or 'slide'.")
        check_direct(self.test_cfg)
        # As in mmseg, an image smaller than the crop is one window.
        window = (min(crop[0], height), min(crop[1], width))
        tops = window_starts(height, window[0], stride[0])
        lefts = window_starts(width, window[1], stride[1])
        cover = (overlap_counts(height, window[0], tops), overlap_counts(width, window[1], lefts))
        prior, token = self.prior_of(img, metas), self.token_of(img)
        # All images go through the network together; their maps are composed one by one, since
        # their original sizes differ.
        grids = [self.score_grid(img[:, :, top:top + window[0], left:left + window[1]], metas,
                                 prior, token)
                 for top, left in product(tops, lefts)]
        views = []
        for index, meta in enumerate(metas):
            rows = [self._axis(0, grid, window, top, img, meta, cover, rescale)
                    for grid, (top, _) in zip(grids, product(tops, lefts))]
            columns = [self._axis(1, grid, window, left, img, meta, cover, rescale)
                       for grid, (_, left) in zip(grids, product(tops, lefts))]
            views.append(View(
                ScoreMap([grid[index] for grid in grids], rows, columns), img[index],
                tuple(meta['img_shape'][:2]) if rescale else (height, width),
                tuple(DIMENSIONS[axis] for axis in flipped_axes(meta))))
        return views

    def _axis(self, axis: int, grid: Tensor, window: tuple[int, int], offset: int, img: Tensor,
              meta: dict, cover: tuple, rescale: bool) -> AxisResize:
        image = img.shape[2 + axis]
        # As in mmseg, padding is cut off only on the way to the original size.
        crop = meta['img_shape'][axis] if rescale else image
        out = meta['ori_shape'][axis] if rescale else image
        flip = ('vertical', 'horizontal')[axis] in flipped_axes(meta)
        return compose_resize(grid.shape[2 + axis], window[axis], offset, image, crop, out,
                              cover[axis] if max(cover[axis]) > 1 else (), flip,
                              self.align_corners, self.score_padding(window[axis]),
                              bool(self.test_cfg.get('direct_resize')))

    def simple_test(self, img: Tensor, img_meta: list[dict], rescale: bool = True) -> list:
        """Label maps of a batch.

        Args:
            img: (B, 3, H, W).
            img_meta: One dict an image.
            rescale: Return at the size of the original image.

        Returns:
            One (H, W) int64 array an image.
        """
        return [to_array(self.label_image([view]))
                for view in self._views(img, img_meta, rescale)]

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
        return [to_array(self.label_image(views))
                for views in self._augmented(imgs, img_metas, rescale)]

    def aug_test_logits(self, img: list[Tensor], img_metas: list[list[dict]],
                        rescale: bool = True) -> np.ndarray:
        """Mean probabilities of several flips and scales, (B, K, H, W).

        Args:
            img: Augmented inputs, each (B, 3, H, W).
            img_metas: Per augmentation, one dict an image.
            rescale: Must be true: maps are averaged at the original size.
        """
        return torch.stack([self.image_probabilities(views)
                            for views in self._augmented(img, img_metas, rescale)]).cpu().numpy()

    def _augmented(self, imgs: list[Tensor], img_metas: list[list[dict]],
                   rescale: bool) -> Iterator[tuple[View, ...]]:
        """The views of all augmentations of one image after the other."""
        if not rescale:
            raise InputError('flips and scales can only be averaged at the original image size.')
        return zip(*[self._views(img, metas, rescale)
                     for img, metas in zip(imgs, img_metas)])
