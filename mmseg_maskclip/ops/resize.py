"""Score maps resized one axis at a time, so that any tile can be computed on its own.

Bilinear resizing is linear and separable: out = R S C^T with one small sparse
matrix per axis. Resizing twice (grid -> network input -> image), cropping,
flipping and averaging overlapping windows stay of that form, so any tile of
the final score map can be computed directly from the grid. K x H x W scores
are never held; what one tile needs is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Sequence

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.geometry.matrices import composed_matrix, window_matrix


def area_weights(size_in: int, size_out: int) -> Tensor:
    """Averaging over equal areas along one axis, as a matrix.

    Args:
        size_in: Size of what is averaged.
        size_out: Number of areas; of more than ``size_in`` each is a part of an input or two.

    Returns:
        (size_out, size_in) float32, rows of sum 1.

    Example:
        >>> area_weights(3, 2)
        tensor([[0.6667, 0.3333, 0.0000],
                [0.0000, 0.3333, 0.6667]])
    """
    edges = torch.arange(size_out + 1, dtype=torch.float64) * (size_in / size_out)
    cells = torch.arange(size_in, dtype=torch.float64)
    shares = torch.minimum(edges[1:, None], cells + 1) - torch.maximum(edges[:-1, None], cells)
    return (shares.clamp(min=0) * (size_out / size_in)).float()


@dataclass(frozen=True)
class AxisResize:
    """How one axis of the output is interpolated from one axis of a grid.

    Attributes:
        weights: (size_out, size_in) float32 on the CPU, a few non-zeros a row.
        first: First input index with a weight, per output index.
        last: Last input index with a weight, per output index; below
            ``first`` where the grid does not reach that output.
    """

    weights: Tensor
    first: tuple[int, ...]
    last: tuple[int, ...]

    @classmethod
    def of(cls, matrix: Tensor) -> AxisResize:
        """Wrap a (size_out, size_in) matrix.

        Example:
            >>> import torch
            >>> axis = AxisResize.of(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]))
            >>> axis.first, axis.last
            ((0, 1), (0, 2))
        """
        used = matrix != 0
        reached = used.any(dim=1)
        first = torch.where(reached, used.long().argmax(dim=1), matrix.shape[1])
        last = matrix.shape[1] - 1 - used.flip(1).long().argmax(dim=1)
        last = torch.where(reached, last, -1)
        return cls(matrix.float(), tuple(first.tolist()), tuple(last.tolist()))

    def at(self, places: Sequence[int]) -> AxisResize:
        """The same for some of the outputs alone.

        Args:
            places: Their indices.

        Example:
            >>> AxisResize.of(torch.eye(3)).at([2, 0]).weights
            tensor([[0., 0., 1.],
                    [1., 0., 0.]])
        """
        listed = [int(place) for place in places]
        return AxisResize(self.weights[listed], tuple(self.first[place] for place in listed),
                          tuple(self.last[place] for place in listed))

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Input range [low, high) that outputs [start, stop) draw from."""
        return min(self.first[start:stop]), max(self.last[start:stop]) + 1


@lru_cache(maxsize=256)
def compose_resize(grid: int, window: int, offset: int, image: int, crop: int, out: int,
                   overlap: tuple[int, ...] = (), flip: bool = False,
                   align_corners: bool = False, padding: tuple[int, int] = (0, 0),
                   direct: bool = False) -> AxisResize:
    """One axis of: grid -> window of the network input -> crop -> image size.

    Args:
        grid: Size of the score grid of one window.
        window: Size of the window in network-input pixels.
        offset: Where the window starts in the network input.
        image: Size of the network input.
        crop: How much of it is the image (the rest is padding).
        out: Size of the label map.
        overlap: How many windows cover each input pixel along this axis;
            their scores are averaged. Empty means one.
        flip: Whether the input was mirrored along this axis.
        align_corners: As in ``torch.nn.functional.interpolate``.
        padding: Pixels before and after the window that the grid covers, too;
            their scores are cut off.
        direct: One interpolation, from the grid to the image size, of a window
            that is the whole network input.

    Returns:
        The composed interpolation.

    Example:
        Two cells to four pixels, without windows, padding or a second resize:

        >>> compose_resize(2, 4, 0, 4, 4, 4).weights
        tensor([[1.0000, 0.0000],
                [0.7500, 0.2500],
                [0.2500, 0.7500],
                [0.0000, 1.0000]])
    """
    # In double precision: two interpolations are multiplied, and rounded to float32 once.
    return _from_array(composed_matrix(grid, window, offset, image, crop, out, overlap, flip,
                                       align_corners, padding, direct))


# Larger than those from a grid: one may have as many columns as a window has pixels.
@lru_cache(maxsize=32)
def window_resize(window: int, offset: int, image: int, crop: int, out: int,
                  overlap: tuple[int, ...] = (), flip: bool = False,
                  align_corners: bool = False) -> AxisResize:
    """One axis of: pixels of a window -> network input -> crop -> image size.

    The second half of :func:`compose_resize`, for scores that are changed at
    the size of the network input.

    Args:
        window: Size of the window in network-input pixels.
        offset: Where the window starts in the network input.
        image: Size of the network input.
        crop: How much of it is the image (the rest is padding).
        out: Size of the label map.
        overlap: How many windows cover each input pixel along this axis;
            their scores are averaged. Empty means one.
        flip: Whether the input was mirrored along this axis.
        align_corners: As in ``torch.nn.functional.interpolate``.

    Returns:
        The interpolation.

    Example:
        The second of two windows of two pixels, which share the middle one of three:

        >>> window_resize(2, 1, 3, 3, 3, overlap=(1, 2, 1)).weights
        tensor([[0.0000, 0.0000],
                [0.5000, 0.0000],
                [0.0000, 1.0000]])
    """
    return _from_array(window_matrix(window, offset, image, crop, out, overlap, flip,
                                     align_corners))


def _from_array(matrix: np.ndarray) -> AxisResize:
    # torch takes no mirrored view.
    return AxisResize.of(torch.from_numpy(np.ascontiguousarray(matrix)))
