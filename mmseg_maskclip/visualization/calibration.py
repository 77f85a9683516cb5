"""Metrics over the offset of seen classes, as a picture of two charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from mmseg_maskclip.evaluation import CalibrationCurve, percent

_SIDE = 420
_MARGIN = (60, 20, 46, 44)
"""Left, right, top, bottom."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINES = {'mIoU(S)': (180, 110, 20), 'mIoU(U)': (40, 120, 230), 'hIoU': (60, 140, 40)}
"""Metric -> colour, BGR."""
_GRID, _AREA, _INK = (225, 225, 225), (247, 236, 222), (0, 0, 0)
_TICKS = 5
Points = Sequence[tuple[float, float]]


def draw_calibration(curve: CalibrationCurve) -> np.ndarray:
    """Draw mIoU(S), mIoU(U) and hIoU over the offset, and mIoU(U) over mIoU(S).

    The second chart has the two ends that need no offset, and the area.

    Args:
        curve: The metrics.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    highest = max([row[name] for row in (*curve.rows, curve.seen_alone, curve.unseen_alone)
                   for name in _LINES if not math.isnan(row[name])], default=0.0)
    # In tens of percent, so that ticks are round.
    top = max(math.ceil(10 * highest) / 10, 0.1)
    low, high = curve.offsets[0], curve.offsets[-1]
    if low == high:
        low, high = low - 0.5, high + 0.5
    over = _Chart((low, high), (0, top), 'offset', 'percent')
    for place, (name, colour) in enumerate(_LINES.items()):
        over.line([(offset, row[name]) for offset, row in zip(curve.offsets, curve.rows)], colour)
        over.write(name, (_MARGIN[0] + 110 * place, 20), colour)
    pairs = _Chart((0, top), (0, top), 'mIoU(S), percent', 'mIoU(U), percent')
    points = [(row['mIoU(S)'], row['mIoU(U)'])
              for row in (curve.seen_alone, *curve.rows, curve.unseen_alone)]
    pairs.fill([(0, 0), *points])
    pairs.line(points, _LINES['hIoU'], marks=slice(1, -1))
    pairs.write(f'area {percent(curve.area)} %', (_MARGIN[0], 20), _INK)
    return np.concatenate([over.picture, pairs.picture], axis=1)


class _Chart:
    """Axes on white; values outside are drawn at the border.

    Args:
        across: Lowest and highest value of the horizontal axis.
        up: Of the vertical one, as fractions that are written in percent.
        across_title: Of the horizontal axis, which is in percent if that says so.
        up_title: Of the vertical axis.
    """

    def __init__(self, across: tuple[float, float], up: tuple[float, float], across_title: str,
                 up_title: str) -> None:
        self._ranges = across, up
        left, right, top, bottom = _MARGIN
        self.picture = np.full((_SIDE + top + bottom, _SIDE + left + right, 3), 255, np.uint8)
        scale = 100 if 'percent' in across_title else 1
        for step in range(_TICKS + 1):
            x, y = (low + (high - low) * step / _TICKS for low, high in self._ranges)
            column, row = self._place(x, y)
            cv2.line(self.picture, (column, top), (column, top + _SIDE), _GRID, 1)
            cv2.line(self.picture, (left, row), (left + _SIDE, row), _GRID, 1)
            self.write(f'{scale * x:.3g}', (column - 12, top + _SIDE + 18), _INK)
            self.write(f'{100 * y:.3g}', (left - 40, row + 5), _INK)
        self.write(across_title, (left + _SIDE // 2 - 50, top + _SIDE + 37), _INK)
        self.write(up_title, (4, top - 8), _INK)

    def line(self, points: Points, colour: tuple, marks: slice = slice(None)) -> None:
        """Straight lines between points, some of them marked; undefined ones are left out."""
        kept = [self._place(x, y) for x, y in points if not math.isnan(x + y)]
        for one, other in zip(kept, kept[1:]):
            cv2.line(self.picture, one, other, colour, 2, cv2.LINE_AA)
        for place in kept[marks]:
            cv2.circle(self.picture, place, 4, colour, -1, cv2.LINE_AA)

    def fill(self, points: Points) -> None:
        """The area within points; nothing if one is undefined."""
        if not any(math.isnan(x + y) for x, y in points):
            corners = np.array([self._place(x, y) for x, y in points], np.int32)
            cv2.fillPoly(self.picture, [corners], _AREA)

    def write(self, text: str, place: tuple[int, int], colour: tuple) -> None:
        """Text whose lower left corner stands at (column, row)."""
        cv2.putText(self.picture, text, place, _FONT, 0.42, colour, 1, cv2.LINE_AA)

    def _place(self, x: float, y: float) -> tuple[int, int]:
        shares = [(value - low) / (high - low) for value, (low, high) in zip((x, y), self._ranges)]
        return (_MARGIN[0] + round(_SIDE * shares[0]),
                _MARGIN[2] + round(_SIDE * (1 - shares[1])))
