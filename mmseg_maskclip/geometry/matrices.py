"""Bilinear interpolation of one axis as a matrix, in double precision.

Bilinear resizing is linear and separable. Resizing twice (grid -> network input -> picture),
cropping, mirroring and averaging overlapping windows stay one matrix per axis.
"""

from __future__ import annotations

import numpy as np


def composed_matrix(grid: int, window: int, offset: int, image: int, crop: int, out: int,
                    overlap: tuple[int, ...] = (), flip: bool = False,
                    align_corners: bool = False, padding: tuple[int, int] = (0, 0),
                    direct: bool = False) -> np.ndarray:
    """One axis of: grid -> window of the network input -> crop -> picture size.

    Args:
        grid: Size of the score grid of one window.
        window: Size of the window in network-input pixels.
        offset: Where the window starts in the network input.
        image: Size of the network input.
        crop: How much of it is the picture (the rest is padding).
        out: Size of the label map.
        overlap: How many windows cover each input pixel along this axis; their scores are
            averaged. Empty means one.
        flip: Whether the input was mirrored along this axis.
        align_corners: As in ``torch.nn.functional.interpolate``.
        padding: Pixels before and after the window that the grid covers, too; their scores
            are cut off.
        direct: One interpolation, from the grid to the picture size, of a window that is the
            whole network input.

    Returns:
        (out, grid) float64.
    """
    before, padded = padding[0], sum(padding) + window
    if direct:
        matrix = _direct_matrix(grid, padded, before, crop, out, align_corners)
        return matrix[::-1] if flip else matrix
    full = np.zeros((image, grid))
    full[offset:offset + window] = resize_matrix(grid, padded, align_corners)[
        before:before + window]
    if overlap:
        full /= np.array(overlap, dtype=float)[:, None]
    matrix = resize_matrix(crop, out, align_corners) @ full[:crop]
    return matrix[::-1] if flip else matrix


def window_matrix(window: int, offset: int, image: int, crop: int, out: int,
                  overlap: tuple[int, ...] = (), flip: bool = False,
                  align_corners: bool = False) -> np.ndarray:
    """The second half of :func:`composed_matrix`: window -> network input -> crop -> picture.

    Args:
        window: As there.
        offset: As there.
        image: As there.
        crop: As there.
        out: As there.
        overlap: As there.
        flip: As there.
        align_corners: As there.

    Returns:
        (out, window) float64.
    """
    matrix = np.zeros((out, image))
    matrix[:, :crop] = resize_matrix(crop, out, align_corners)
    if overlap:
        matrix /= np.array(overlap, dtype=float)
    matrix = matrix[:, offset:offset + window]
    return matrix[::-1] if flip else matrix


def resize_matrix(size_in: int, size_out: int, align_corners: bool = False) -> np.ndarray:
    """Bilinear interpolation along one axis, (size_out, size_in) float64.

    Example:
        >>> resize_matrix(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    position = np.arange(size_out, dtype=float)
    if align_corners:
        position = position * ((size_in - 1) / max(size_out - 1, 1))
    else:
        position = ((position + 0.5) * (size_in / size_out) - 0.5).clip(min=0)
    return _interpolation(position, size_in)


def _direct_matrix(grid: int, padded: int, before: int, crop: int, size_out: int,
                   align_corners: bool) -> np.ndarray:
    """Interpolation of the picture's pixels [before, before + crop) straight from the grid."""
    position = np.arange(size_out, dtype=float)
    if align_corners:
        position = position * ((crop - 1) / max(size_out - 1, 1)) + before
        position = position * ((grid - 1) / max(padded - 1, 1))
    else:
        position = ((position + 0.5) * (crop / size_out) + before) * (grid / padded) - 0.5
    return _interpolation(position.clip(min=0), grid)


def _interpolation(position: np.ndarray, size_in: int) -> np.ndarray:
    low = np.floor(position).astype(int).clip(max=size_in - 1)
    high = (low + 1).clip(max=size_in - 1)
    weight = (position - low).clip(0, 1)
    matrix = np.zeros((len(position), size_in))
    rows = np.arange(len(position))
    matrix[rows, low] += 1 - weight
    matrix[rows, high] += weight
    return matrix
