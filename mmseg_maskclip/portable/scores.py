"""From score grids to labels, tile by tile, as ``ops`` does it with tensors."""

from __future__ import annotations

import math
from typing import Callable, Iterator, Optional, Sequence

import numpy as np

Box = tuple[slice, slice]
Activation = Callable[[np.ndarray], np.ndarray]
_TILE_BYTES = 2 << 20


class Axis:
    """How one axis of the output is interpolated from one axis of a grid.

    Args:
        matrix: (size_out, size_in), a few non-zeros a row.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.weights = matrix.astype(np.float32)
        self._used = matrix != 0

    @property
    def size(self) -> int:
        """Of the output."""
        return len(self.weights)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Input range [low, high) that outputs [start, stop) draw from; empty for none."""
        used = np.flatnonzero(self._used[start:stop].any(axis=0))
        return (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)


class GridScores:
    """Scores of a picture as a sum of interpolated sources, one a window.

    Args:
        sources: Grids (h, w, K), or the :class:`GridScores` of windows at their pixels, which
            pass an activation.
        rows: Vertical interpolation of each.
        columns: Horizontal interpolation of each.
        activation: From scores (..., K) to activated ones.
    """

    def __init__(self, sources: Sequence, rows: Sequence[Axis], columns: Sequence[Axis],
                 activation: Optional[Activation] = None) -> None:
        self.sources = sources
        self.rows = rows
        self.columns = columns
        self.activation = activation

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.rows[0].size, self.columns[0].size

    @property
    def num_classes(self) -> int:
        """K."""
        first = self.sources[0]
        return first.num_classes if isinstance(first, GridScores) else first.shape[2]

    def tile(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Scores of rows [top, bottom) and columns [left, right), (h, w, K) float32."""
        total = np.zeros((bottom - top, right - left, self.num_classes), np.float32)
        for source, rows, columns in zip(self.sources, self.rows, self.columns):
            low, high = rows.span(top, bottom)
            first, last = columns.span(left, right)
            if low == high or first == last:
                continue
            patch = self._patch(source, low, high, first, last)
            across = columns.weights[left:right, first:last] @ patch
            down = rows.weights[top:bottom, low:high] @ across.reshape(high - low, -1)
            total += down.reshape(total.shape)
        return total

    def _patch(self, source: object, *box: int) -> np.ndarray:
        if not isinstance(source, GridScores):
            top, bottom, left, right = box
            return source[top:bottom, left:right]  # type: ignore[index]
        found = source.tile(*box)
        return found if self.activation is None else self.activation(found)

    def tiles(self) -> Iterator[Box]:
        """Rows and columns of tiles whose scores fit in the cache of a core."""
        height, width = self.size
        side = max(8, math.isqrt(_TILE_BYTES // (4 * self.num_classes)))
        for top in range(0, height, side):
            for left in range(0, width, side):
                yield slice(top, min(top + side, height)), slice(left, min(left + side, width))

    def read(self, box: Box) -> np.ndarray:
        """Scores of a tile, (h, w, K)."""
        rows, columns = box
        return self.tile(rows.start, rows.stop, columns.start, columns.stop)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    found = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found /= found.sum(axis=-1, keepdims=True)
    return found


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Of each value."""
    # Of large negative values the exponential is infinite, and the sigmoid 0.
    with np.errstate(over='ignore'):
        return 1 / (1 + np.exp(-scores))


def best_rows(scores: np.ndarray, row_class: np.ndarray, num_classes: int) -> np.ndarray:
    """Score of a class: the highest among its rows.

    Args:
        scores: (R, ...).
        row_class: Class of each row, (R,).
        num_classes: K.

    Returns:
        (K, ...); -inf for a class without a row.
    """
    if np.array_equal(row_class, np.arange(num_classes)):
        return scores
    pooled = np.full((num_classes, *scores.shape[1:]), -np.inf, scores.dtype)
    np.maximum.at(pooled, row_class, scores)
    return pooled
