"""Position tables at other input sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_positions(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resize a CLIP position table to another grid (bicubic, no antialias).

    The first row (class token or mean token) is kept. What decides is the
    shape of the grid, not the number of tokens: a 7 x 28 grid is not a
    14 x 14 one, though both have 196 positions.

    Args:
        table: (1 + n * n, C): the extra row, then a square grid row by row.
        grid: Wanted (height, width).

    Returns:
        (1 + height * width, C).

    Raises:
        ValueError: If the rows behind the first are not a square grid.

    Example:
        A constant 2 x 2 grid behind a class token, resized to 1 x 3:

        >>> import torch
        >>> table = torch.tensor([[9.0], [1.0], [1.0], [1.0], [1.0]])
        >>> resize_positions(table, (1, 3)).flatten().round(decimals=3)
        tensor([9., 1., 1., 1.])
    """
    count = table.shape[0] - 1
    side = round(count ** 0.5)
    if side * side != count:
        raise ValueError(f'expected a position table of 1 + n * n rows, got {table.shape[0]}')
    if grid == (side, side):
        return table
    square = table[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(square.float(), size=grid, mode='bicubic', align_corners=False)
    return torch.cat([table[:1], resized[0].flatten(1).t().to(table)])
