"""Inference: scores resized, turned into labels or probabilities, tile by tile."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

import numpy as np
import torch
from mmseg.ops import resize
from torch import Tensor

from mmseg_maskclip.geometry.windows import (
    DIMENSIONS,
    Windows,
    check_direct,
    flipped_axes,
)
from mmseg_maskclip.models.refiners import View
from mmseg_maskclip.models.segmentors.scoring import ScoresImages
from mmseg_maskclip.ops import (
    ActivatedScores,
    ScoreMap,
    compose_resize,
    label_map,
    probability_map,
    window_resize,
)
from mmseg_maskclip.ops.score_maps import Scores, whole_maps
from mmseg_maskclip.utils import InputError

Reader = Callable[[Tensor], Tensor]
Watcher = Callable[[Sequence[View], Tensor], object]
"""What sees the views of an image and its label map."""


class TiledInference(ScoresImages):
    """Mixin: mmseg's inference on score grids, for its segmentors.

    It computes what mmseg's ``whole`` and ``slide`` inference, flips and scales
    do, but label maps need no scores of K x H x W. A segmentor implements
    :meth:`score_grid`, the scores of a network input, and may override
    :meth:`probabilities`, :meth:`label_image` and :meth:`image_probabilities`;
    ``simple_test``, ``aug_test``, ``inference`` and ``encode_decode`` are built on these.
    """

    test_cfg: Any
    align_corners: bool
    _watchers: tuple[Watcher, ...] = ()

    def watch(self, callback: Watcher) -> None:
        """Show every image that is labelled from now on to somebody.

        Args:
            callback: Called by ``simple_test`` and ``aug_test`` with the views of an
                image and its label map, (H, W) int64.
        """
        self._watchers = (*self._watchers, callback)

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

    def readable(self, views: Sequence[View]) -> tuple[Sequence[Scores], Reader]:
        """Score maps of an image, and how class probabilities are read from them.

        Args:
            views: Its augmentations.

        Returns:
            Maps for ``ops.mean_probability``, and from a tile's scores (h, w, Q) to its
            probabilities (h, w, K).
        """
        return [view.scores for view in views], self.probabilities

    def encode_decode(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """Scores of whole network inputs at their size, activated, (B, K, H, W).

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
        scores = scores[:, :, top:top + height, left:left + width]
        if self.activation is None:
            return scores
        return self.activation(scores.permute(0, 2, 3, 1).float()).permute(0, 3, 1, 2)

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
        windows = Windows.of(self.test_cfg, (img.shape[2], img.shape[3]))
        prior, token = self.prior_of(img, metas), self.token_of(img)
        # All images go through the network together; their maps are composed one by one, since
        # their original sizes differ.
        grids = [self.score_grid(part, metas, prior, token) for part in windows.parts(img)]
        return self.views_of_grids(grids, windows, img, metas, rescale)

    def views_of_grids(self, grids: Sequence[Tensor], windows: Windows, img: Tensor,
                       metas: list[dict], rescale: bool) -> list[View]:
        """One view per image of a batch, from the score grids of its windows.

        Args:
            grids: (B, K, h, w) of each window.
            windows: Where they lie.
            img: The network inputs, (B, 3, H, W).
            metas: One dict an image.
            rescale: Whether scores are wanted at the original size.
        """
        check_direct(self.test_cfg, self.activation is not None)
        return [View(self._scores([grid[index] for grid in grids], windows, meta, rescale),
                     img[index], windows.crop_of(meta, rescale),
                     tuple(DIMENSIONS[axis] for axis in flipped_axes(meta)))
                for index, meta in enumerate(metas)]

    def _scores(self, grids: list[Tensor], windows: Windows, meta: dict,
                rescale: bool) -> ScoreMap | ActivatedScores:
        """Scores of one image, from the grids of its windows."""
        size, padding = windows.size, [self.score_padding(size) for size in windows.size]
        steps = [windows.steps(axis, meta, rescale) for axis in (0, 1)]
        if self.activation is None:
            direct = bool(self.test_cfg.get('direct_resize'))
            rows, columns = (
                [compose_resize(grid.shape[1 + axis], size[axis], *step, self.align_corners,
                                padding[axis], direct)
                 for grid, step in zip(grids, steps[axis])] for axis in (0, 1))
            return ScoreMap(grids, rows, columns)
        rows, columns = ([window_resize(size[axis], *step, self.align_corners)
                          for step in steps[axis]] for axis in (0, 1))
        pixels = whole_maps(torch.stack(grids), size, (padding[0], padding[1]), self.align_corners)
        return ActivatedScores(pixels, rows, columns, self.activation)

    def forward_test(self, imgs: list[Tensor], img_metas: list[list[dict]],
                     **kwargs: Any) -> list:
        """See :meth:`aug_test`; unlike in mmseg's, original sizes may differ in a batch."""
        if len(imgs) == 1:
            return self.simple_test(imgs[0], img_metas[0], **kwargs)
        return self.aug_test(imgs, img_metas, **kwargs)

    def simple_test(self, img: Tensor, img_meta: list[dict], rescale: bool = True) -> list:
        """Label maps of a batch.

        Args:
            img: (B, 3, H, W).
            img_meta: One dict an image.
            rescale: Return at the size of the original image.

        Returns:
            One (H, W) int64 array an image.
        """
        return [self._labelled([view]) for view in self._views(img, img_meta, rescale)]

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
        return [self._labelled(views) for views in self._augmented(imgs, img_metas, rescale)]

    def _labelled(self, views: Sequence[View]) -> np.ndarray:
        labels = self.label_image(views)
        for callback in self._watchers:
            callback(views, labels)
        # It leaves the GPU as int16, a quarter of the bytes.
        return labels.to(torch.int16).cpu().numpy().astype(np.int64)

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
