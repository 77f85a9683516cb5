"""Position tables at other input sizes."""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

POSITIONS = ('size', 'plus', 'antialias', 'bilinear')
"""Ways to resize a position table."""
# Of the cubic kernels of torch's interpolation, without and with antialiasing.
_CUBIC, _CUBIC_ANTIALIAS = -0.75, -0.5
_REACH = 2


def is_symbolic(*sizes: int) -> bool:
    """Whether one of some sizes has no value yet, as while a model is exported.

    Nothing can be cached by such a size, and no branch may depend on it.

    Example:
        >>> is_symbolic(14, 20)
        False
    """
    return not all(isinstance(size, int) for size in sizes)


def resize_positions(table: Tensor, grid: tuple[int, int], mode: str = 'size',
                     source: tuple[int, int] | None = None) -> Tensor:
    """Resize a CLIP position table to another grid.

    ``'size'`` is bicubic to the grid; ``'plus'`` bicubic by the scale factors
    ((h + 0.1) / n, (w + 0.1) / n), as DINO's code has it, and after it SCLIP, ClearCLIP,
    NACLIP, ResCLIP, SC-CLIP and ITACLIP; ``'antialias'`` bicubic with antialiasing (GEM);
    ``'bilinear'`` is CLIP Surgery's and ZegCLIP's.

    The first row (class token or mean token) is kept. What decides is the
    shape of the grid, not the number of tokens: a 7 x 28 grid is not a
    14 x 14 one, though both have 196 positions.

    Args:
        table: (1 + n * n, C): the extra row, then a square grid row by row, or the grid that
            ``source`` names.
        grid: Wanted (height, width).
        mode: One of :data:`POSITIONS`.
        source: Own (height, width) of a table that is not square.

    Returns:
        (1 + height * width, C).

    While a model is exported the sides of the grid have no value yet; then the weights of the
    interpolation are computed in the graph, see :func:`position_weights`.

    Raises:
        ValueError: If the rows behind the first are not such a grid.

    Example:
        A constant 2 x 2 grid behind a class token, resized to 1 x 3:

        >>> import torch
        >>> table = torch.tensor([[9.0], [1.0], [1.0], [1.0], [1.0]])
        >>> resize_positions(table, (1, 3)).flatten().round(decimals=3)
        tensor([9., 1., 1., 1.])
    """
    count = table.shape[0] - 1
    height, width = source or (round(count ** 0.5),) * 2
    if height * width != count:
        expected = 'n * n' if source is None else f'{height} * {width}'
        raise ValueError(f'expected a position table of 1 + {expected} rows, got {table.shape[0]}')
    if is_symbolic(*grid):
        return _resize_in_graph(table, grid, mode, (height, width))
    if grid == (height, width):
        return table
    planes = table[1:].reshape(1, height, width, -1).permute(0, 3, 1, 2)
    if mode == 'plus':
        # The size that comes out is that of the grid; the 0.1 moves what is sampled.
        factors = [(wanted + 0.1) / own for wanted, own in zip(grid, (height, width))]
        resized = F.interpolate(planes.float(), scale_factor=factors, mode='bicubic',
                                align_corners=False, recompute_scale_factor=False)
    else:
        resized = F.interpolate(planes.float(), size=grid, align_corners=False,
                                mode='bilinear' if mode == 'bilinear' else 'bicubic',
                                antialias=mode == 'antialias')
    return torch.cat([table[:1], resized[0].flatten(1).t().to(table)])


def position_weights(size_in: int, size_out: int, mode: str) -> Tensor:
    """How one axis of a resized position table is interpolated, as a matrix.

    What ``interpolate`` computes, in steps that a graph of any size can hold.

    Args:
        size_in: Own size of the table along the axis.
        size_out: Wanted size; it may be symbolic.
        mode: One of :data:`POSITIONS`.

    Returns:
        (size_out, size_in), rows of sum 1.

    Example:
        >>> position_weights(2, 4, 'bilinear')
        tensor([[1.0000, 0.0000],
                [0.7500, 0.2500],
                [0.2500, 0.7500],
                [0.0000, 1.0000]])
    """
    steps = torch.arange(size_out, dtype=torch.float32)
    # A tensor: a number would be one of the size that is traced.
    ratio = size_in / (steps[-1] + (1.1 if mode == 'plus' else 1.0))
    place = (steps + 0.5) * ratio - 0.5
    if mode == 'antialias':
        return _antialiased(place, size_in, ratio)
    kernel = _triangle if mode == 'bilinear' else _cubic(_CUBIC)
    taps = torch.arange(-_REACH, size_in + _REACH)
    # What lies beyond the border is the cell at the border.
    cells = taps.clamp(0, size_in - 1)[:, None] == torch.arange(size_in)
    return kernel((place[:, None] - taps).abs()) @ cells.to(place)


def _antialiased(place: Tensor, size_in: int, ratio: Tensor) -> Tensor:
    distance = (place[:, None] - torch.arange(size_in)).abs()
    # The kernel is as wide as what is averaged, and never narrower than its own cells.
    weights = _cubic(_CUBIC_ANTIALIAS)(distance / ratio.clamp(min=1))
    return weights / weights.sum(dim=1, keepdim=True)


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance).clamp(min=0)


def _cubic(sharpness: float) -> Callable[[Tensor], Tensor]:
    """Keys' kernel of a distance."""
    def kernel(distance: Tensor) -> Tensor:
        near = ((sharpness + 2) * distance - (sharpness + 3)) * distance * distance + 1
        far = sharpness * (((distance - 5) * distance + 8) * distance - 4)
        return torch.where(distance <= 1, near, torch.where(distance < _REACH, far, 0.0))

    return kernel


def _resize_in_graph(table: Tensor, grid: tuple[int, int], mode: str,
                     own: tuple[int, int]) -> Tensor:
    rows, columns = (position_weights(size_in, size_out, mode)
                     for size_in, size_out in zip(own, grid))
    if mode == 'plus':
        # At its own grid the table is taken as it is, which the 0.1 would move.
        steps = [torch.arange(size_out) for size_out in grid]
        same = (steps[0][-1] == own[0] - 1) & (steps[1][-1] == own[1] - 1)
        rows, columns = (
            torch.where(same, (step[:, None] == torch.arange(size_in)).to(weights), weights)
            for step, size_in, weights in zip(steps, own, (rows, columns)))
    planes = table[1:].float().unflatten(0, own)
    rows, columns = rows.to(planes), columns.to(planes)
    resized = columns @ (rows @ planes.flatten(1)).unflatten(1, (own[1], -1))
    return torch.cat([table[:1], resized.flatten(0, 1).to(table)])
