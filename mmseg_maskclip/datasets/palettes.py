"""Colours for classes without a palette."""

from __future__ import annotations

import numpy as np

#: Twenty colours that are easy to tell apart, brightest contrasts first.
DISTINCT = (
    (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212),
    (0, 128, 128), (220, 190, 255), (170, 110, 40), (255, 250, 200), (128, 0, 0),
    (170, 255, 195), (128, 128, 0), (255, 215, 180), (0, 0, 128), (128, 128, 128),
)
BLACK = (0, 0, 0)
_SEED = 42


def make_palette(num_colors: int) -> list[list[int]]:
    """The twenty distinct colours, then random ones that are always the same.

    Args:
        num_colors: How many colours are needed.

    Returns:
        RGB triples; none is black. The global random state is not touched.
    """
    colors = [list(color) for color in DISTINCT[:num_colors]]
    missing = num_colors - len(colors)
    if missing:
        random = np.random.RandomState(_SEED)
        colors += random.randint(32, 256, size=(missing, 3)).tolist()
    return colors
