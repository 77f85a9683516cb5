"""What an exported model has read of a picture: labels, probabilities, masks."""

from __future__ import annotations

from functools import partial
from typing import Iterator, Optional, Sequence

import numpy as np

from mmseg_maskclip.formats.picture import label_type, none_value
from mmseg_maskclip.geometry.matrices import composed_matrix, resize_matrix, window_matrix
from mmseg_maskclip.geometry.windows import Windows
from mmseg_maskclip.portable.description import COSINES, MASKS, Description
from mmseg_maskclip.portable.inputs import padding
from mmseg_maskclip.portable.labelled import Labelled
from mmseg_maskclip.portable.scores import Axis, Box, GridScores, sigmoid, softmax


class GridReading:
    """A picture's scores, read tile by tile.

    Args:
        scores: Of words and contrast words.
        num_words: K; further classes are contrast words.
        model: The exported model.
    """

    def __init__(self, scores: GridScores, num_words: int, model: Description) -> None:
        self.scores = scores
        self.num_words = num_words
        self.model = model

    def tiles(self) -> Iterator[tuple[Box, np.ndarray, np.ndarray]]:
        """Rows and columns, probabilities of words (h, w, K), and of contrast words (h, w, M)."""
        exclusive, temperature = self.model.kind != MASKS, self.model.temperature
        scale = (self.model.scale if self.model.kind == COSINES else 1.0) / temperature
        for box in self.scores.tiles():
            found = self.scores.read(box)
            if exclusive:
                found = softmax(found * np.float32(scale))
            yield box, found[..., :self.num_words], found[..., self.num_words:]

    def label(self) -> Labelled:
        """The best word of every pixel."""
        none = none_value(self.num_words)
        labels = np.full(self.scores.size, none, label_type(self.num_words))
        confidence = np.zeros(self.scores.size, np.float32)
        for box, words, contrast in self.tiles():
            chosen = words.argmax(axis=-1)
            best = np.take_along_axis(words, chosen[..., None], axis=-1)[..., 0]
            lost = best == 0
            if contrast.shape[-1]:
                lost |= contrast.max(axis=-1) > best
            labels[box] = np.where(lost, none, chosen)
            confidence[box] = best
        return Labelled(labels, confidence)

    def probabilities(self) -> np.ndarray:
        """Probability of each word, (K, H, W) float32; all of them are held."""
        found = np.zeros((self.num_words, *self.scores.size), np.float32)
        for (rows, columns), words, _ in self.tiles():
            found[:, rows, columns] = words.transpose(2, 0, 1)
        return found

    def alone(self, threshold: float) -> np.ndarray:
        """Where each word alone beats the contrast set, (K, H, W) bool.

        Args:
            threshold: The least probability of a word among itself and the contrast set.
        """
        found = np.zeros((self.num_words, *self.scores.size), bool)
        for (rows, columns), words, contrast in self.tiles():
            if contrast.shape[-1] and self.model.kind != MASKS:
                total = words + contrast.sum(axis=-1, keepdims=True)
                words = words / np.maximum(total, np.finfo(np.float32).tiny)
            elif contrast.shape[-1]:
                words = np.where(words < contrast.max(axis=-1, keepdims=True), 0, words)
            found[:, rows, columns] = ((words >= threshold) & (words > 0)).transpose(2, 0, 1)
        return found


def compose(model: Description, grids: Sequence[np.ndarray], windows: Windows,
            out: tuple[int, int], offset: Optional[np.ndarray]) -> GridScores:
    """Scores at the size of a picture, from the grids of its windows.

    Args:
        model: The exported model.
        grids: (K, h, w) of each window.
        windows: Where they lie.
        out: (H, W) of the picture.
        offset: What is taken from masks, (K,); None for nothing.
    """
    sources = [np.ascontiguousarray(grid.transpose(1, 2, 0)) for grid in grids]
    meta = {'img_shape': windows.image, 'ori_shape': out}
    steps = [windows.steps(axis, meta, True) for axis in (0, 1)]
    sizes = list(zip(windows.size, _score_padding(model, windows.size)))
    corners = model.align_corners
    if model.kind != MASKS:
        # Both interpolations as one.
        rows, columns = (
            [Axis(composed_matrix(source.shape[axis], size, *step, align_corners=corners,
                                  padding=pad, direct=model.direct_resize))
             for source, step in zip(sources, steps[axis])]
            for axis, (size, pad) in enumerate(sizes))
        return GridScores(sources, rows, columns)
    pixels = []
    for source in sources:
        down, across = (_to_pixels(source.shape[axis], size, pad, corners)
                        for axis, (size, pad) in enumerate(sizes))
        pixels.append(GridScores([source], [down], [across]))
    rows, columns = (
        [Axis(window_matrix(size, *step, align_corners=corners)) for step in steps[axis]]
        for axis, (size, _) in enumerate(sizes))
    return GridScores(pixels, rows, columns, partial(_activated, offset=offset))


def _score_padding(model: Description, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Pixels around a window whose scores are cut off, an axis each."""
    # Padding at the corner counts as part of the picture, as in the published code.
    return [padding(model, side) if model.pad == 'centre' else (0, 0) for side in size]


def _to_pixels(grid: int, size: int, pad: tuple[int, int], align_corners: bool) -> Axis:
    matrix = resize_matrix(grid, sum(pad) + size, align_corners)
    return Axis(matrix[pad[0]:len(matrix) - pad[1]])


def _activated(scores: np.ndarray, offset: Optional[np.ndarray]) -> np.ndarray:
    found = sigmoid(scores)
    return found if offset is None else found - offset
