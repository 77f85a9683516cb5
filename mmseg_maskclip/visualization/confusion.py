"""A confusion matrix as a picture."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np

_SIDE = 1200
_CELLS = (12, 36)
_NUMBERS_FROM = 26
_INK = (120, 60, 10)
_ABSENT = 225
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LONGEST_NAME = 28
_TITLE = ("row: labelled, column: predicted", "colour: share of the row's pixels (percent)",
          'grey: not labelled anywhere')


def draw_confusion(counts: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Draw counts, every row as shares of its sum.

    Args:
        counts: Pixels per labelled (row) and predicted (column) class, (K, K), or
            (K, K + 1) with those predicted as none of the classes.
        names: Of the K classes.

    Returns:
        (H, W, 3) uint8, BGR; a row without pixels is grey.
    """
    counts = np.asarray(counts, dtype=np.float64)
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(sums, 1)
    cell = int(np.clip(_SIDE // max(len(names), 1), *_CELLS))
    # From white at 0 to dark blue at 1.
    colours = np.round(255 + (np.array(_INK) - 255) * shares[..., None])
    colours[sums[:, 0] == 0] = _ABSENT
    grid = np.kron(colours, np.ones((cell, cell, 1))).astype(np.uint8)
    grid[::cell] = grid[:, ::cell] = _ABSENT
    if cell >= _NUMBERS_FROM:
        _write_numbers(grid, shares, cell)
    rows = _names(names, cell)
    corner = _title(rows.shape[1])
    columns = cv2.rotate(_names([*names, 'none'][:counts.shape[1]], cell),
                         cv2.ROTATE_90_COUNTERCLOCKWISE)
    # The names of the columns may be shorter than the title beside them is high.
    height = max(len(corner), len(columns))
    corner, columns = (_grown(part, height) for part in (corner, columns))
    return np.concatenate([np.concatenate([corner, columns], axis=1),
                           np.concatenate([rows, grid], axis=1)])


def _write_numbers(grid: np.ndarray, shares: np.ndarray, cell: int) -> None:
    for row, column in np.argwhere(np.round(100 * shares) > 0):
        share = shares[row, column]
        cv2.putText(grid, f'{100 * share:.0f}', (column * cell + 4, row * cell + cell - 10), _FONT,
                    0.35, (255, 255, 255) if share > 0.5 else (0, 0, 0), 1, cv2.LINE_AA)


def _names(names: Sequence[str], cell: int) -> np.ndarray:
    """The names below each other, one a cell, (K * cell, W, 3)."""
    scale = min(0.45, cell / 36)
    shown = [name if len(name) <= _LONGEST_NAME else f'{name[:_LONGEST_NAME - 2]}..'
             for name in names]
    widths = [cv2.getTextSize(name, _FONT, scale, 1)[0][0] for name in shown]
    title = max(cv2.getTextSize(line, _FONT, 0.4, 1)[0][0] for line in _TITLE)
    strip = np.full((cell * len(names), max([title, *widths]) + 12, 3), 255, dtype=np.uint8)
    for index, name in enumerate(shown):
        cv2.putText(strip, name, (6, index * cell + (cell * 2) // 3), _FONT, scale, (0, 0, 0), 1,
                    cv2.LINE_AA)
    return strip


def _title(width: int) -> np.ndarray:
    band = np.full((18 * len(_TITLE) + 8, width, 3), 255, dtype=np.uint8)
    for index, line in enumerate(_TITLE):
        cv2.putText(band, line, (6, 16 + 18 * index), _FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return band


def _grown(part: np.ndarray, height: int) -> np.ndarray:
    """White rows above, up to a height."""
    return cv2.copyMakeBorder(part, height - len(part), 0, 0, 0, cv2.BORDER_CONSTANT,
                              value=(255, 255, 255))
