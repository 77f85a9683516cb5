"""Scores of an image that are read tile by tile."""

from __future__ import annotations

import copy
from typing import Callable, Iterator, Sequence, Union

import torch
from torch import Tensor

from mmseg_maskclip.ops.resize import AxisResize, compose_resize

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Pixels before and after the rows, and the columns, of an image."""
NO_PADDING: Padding = ((0, 0), (0, 0))


class _WindowScores:
    """Separably interpolated sources, one a window, added up tile by tile.

    Args:
        rows: Vertical interpolation of each source.
        columns: Horizontal interpolation of each source.
        device: Where the sources are.
    """

    def __init__(self, rows: Sequence[AxisResize], columns: Sequence[AxisResize],
                 device: torch.device) -> None:
        self.rows = list(rows)
        self.columns = list(columns)
        self._row_weights = [axis.weights.to(device) for axis in self.rows]
        self._column_weights = [axis.weights.to(device) for axis in self.columns]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the label map."""
        return len(self.rows[0].first), len(self.columns[0].first)

    def at(self, rows: Sequence[int], columns: Sequence[int]) -> _WindowScores:
        """The scores of some rows and columns of the label map alone.

        Args:
            rows: Their indices.
            columns: Theirs.
        """
        other = copy.copy(self)
        _WindowScores.__init__(other, [axis.at(rows) for axis in self.rows],
                               [axis.at(columns) for axis in self.columns],
                               self._row_weights[0].device)
        return other

    def _reaching(self, top: int, bottom: int, left: int, right: int
                  ) -> Iterator[tuple[int, tuple[int, int], tuple[int, int]]]:
        """The sources that a tile draws from, with their rows [low, high) and columns."""
        for index, (rows, columns) in enumerate(zip(self.rows, self.columns)):
            down, across = rows.span(top, bottom), columns.span(left, right)
            if down[0] < down[1] and across[0] < across[1]:
                yield index, down, across

    def tile(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Scores of output rows [top, bottom) and columns [left, right).

        Args:
            top: As said.
            bottom: As said.
            left: As said.
            right: As said.

        Returns:
            (bottom - top, right - left, K) float32.

        Raises:
            ValueError: If the tile lies outside what the windows cover.
        """
        total: Tensor | None = None
        for index, rows, columns in self._reaching(top, bottom, left, right):
            patch = self._patch(index, *rows, *columns)
            across = self._column_weights[index][left:right, slice(*columns)] @ patch
            down = self._row_weights[index][top:bottom, slice(*rows)]
            part = (down @ across.flatten(1)).view(bottom - top, right - left, -1)
            total = part if total is None else total.add_(part)
        if total is None:
            raise ValueError(f'no grid reaches rows {top} to {bottom}, columns {left} to {right}')
        return total

    def _patch(self, index: int, top: int, bottom: int, left: int, right: int) -> Tensor:
        """A part of one source, (bottom - top, right - left, K) float32."""
        raise NotImplementedError


class ScoreMap(_WindowScores):
    """Scores of one image as a sum of separably interpolated grids.

    Args:
        grids: One (K, h, w) score grid per window.
        rows: Vertical interpolation of each grid.
        columns: Horizontal interpolation of each grid.

    Example:
        A grid of 1 x 2 cells, one class, as 1 x 4 pixels:

        >>> import torch
        >>> row, column = compose_resize(1, 1, 0, 1, 1, 1), compose_resize(2, 4, 0, 4, 4, 4)
        >>> scores = ScoreMap([torch.tensor([[[0.0, 1.0]]])], [row], [column])
        >>> scores.tile(0, 1, 0, 4).flatten()
        tensor([0.0000, 0.2500, 0.7500, 1.0000])
    """

    def __init__(self, grids: Sequence[Tensor], rows: Sequence[AxisResize],
                 columns: Sequence[AxisResize]) -> None:
        # Classes last: the arg-max of a pixel then reads memory that lies together.
        self.grids = [grid.permute(1, 2, 0).float().contiguous() for grid in grids]
        super().__init__(rows, columns, self.device)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.grids[0].shape[2]

    @property
    def device(self) -> torch.device:
        """Where the scores are."""
        return self.grids[0].device

    def _patch(self, index: int, top: int, bottom: int, left: int, right: int) -> Tensor:
        return self.grids[index][top:bottom, left:right]


class ActivatedScores(_WindowScores):
    """Scores of one image that pass an activation between two interpolations.

    Grids are resized to the pixels of their windows and activated there; what
    comes out is averaged where windows overlap and resized to the label map.
    An activation is not linear, so the two interpolations can't be composed: a
    tile holds the activated window pixels that it draws from, and no more.

    Args:
        windows: Scores of each window at its pixels, before the activation.
        rows: Vertical interpolation of each window, see :func:`window_resize`.
        columns: Horizontal interpolation of each window.
        activation: From scores (..., K) to the activated scores (..., K).

    Example:
        A window of two pixels, activated, then resized to four:

        >>> import torch
        >>> from mmseg_maskclip.ops import window_resize
        >>> one, two = window_resize(1, 0, 1, 1, 1), window_resize(2, 0, 2, 2, 4)
        >>> window = HeldScores(torch.tensor([[[-1.0, 1.0]]]))
        >>> ActivatedScores([window], [one], [two], torch.relu).tile(0, 1, 0, 4).flatten()
        tensor([0.0000, 0.2500, 0.7500, 1.0000])
    """

    def __init__(self, windows: Sequence[Scores], rows: Sequence[AxisResize],
                 columns: Sequence[AxisResize], activation: Callable[[Tensor], Tensor]) -> None:
        self.windows = list(windows)
        self.activation = activation
        super().__init__(rows, columns, self.device)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.windows[0].num_classes

    @property
    def device(self) -> torch.device:
        """Where the scores are."""
        return self.windows[0].device

    def _patch(self, index: int, top: int, bottom: int, left: int, right: int) -> Tensor:
        return self.activation(self.windows[index].tile(top, bottom, left, right))


def whole_maps(grids: Tensor, size: tuple[int, int], padding: Padding = NO_PADDING,
               align_corners: bool = False) -> list[ScoreMap]:
    """Score maps of a batch of images, at the size of the network's input.

    Args:
        grids: (B, K, h, w).
        size: (H, W).
        padding: Pixels around the image that the grids cover, too.
        align_corners: As in ``torch.nn.functional.interpolate``.

    Example:
        >>> import torch
        >>> [scores.size for scores in whole_maps(torch.zeros(2, 3, 4, 4), (32, 16))]
        [(32, 16), (32, 16)]
    """
    rows, columns = (
        compose_resize(grids.shape[2 + axis], size[axis], 0, size[axis], size[axis], size[axis],
                       align_corners=align_corners, padding=padding[axis]) for axis in (0, 1))
    return [ScoreMap([grid], [rows], [columns]) for grid in grids]


class HeldScores:
    """Scores of one image at the size of its label map, all of them held.

    Has what :class:`ScoreMap` has, for scores that no grid can give, such as
    those refined pixel by pixel.

    Args:
        values: (K, H, W) float32.

    Example:
        >>> import torch
        >>> HeldScores(torch.arange(4.0).view(2, 1, 2)).tile(0, 1, 0, 2).tolist()
        [[[0.0, 2.0], [1.0, 3.0]]]
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @property
    def num_classes(self) -> int:
        """K."""
        return self.values.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the label map."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def device(self) -> torch.device:
        """Where the scores are."""
        return self.values.device

    def at(self, rows: Sequence[int], columns: Sequence[int]) -> HeldScores:
        """See :meth:`ScoreMap.at`."""
        return HeldScores(self.values[:, list(rows)][:, :, list(columns)])

    def tile(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Scores of rows [top, bottom) and columns [left, right), (h, w, K)."""
        return self.values[:, top:bottom, left:right].permute(1, 2, 0)


Scores = Union[ScoreMap, ActivatedScores, HeldScores]
"""Scores of one image that are read tile by tile."""
