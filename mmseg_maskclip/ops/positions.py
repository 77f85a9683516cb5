"""Position tables at other input sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

POSITIONS = ('size', 'plus', 'antialias', 'bilinear')
"""Ways to resize a position table."""


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
