"""Scores of classes as heat maps over a picture, on one sheet."""

from __future__ import annotations

import math
from typing import Sequence

import cv2
import numpy as np

_SIDE = 180
"""Of a panel, the longer one."""
_NARROWEST = 120
_CAPTION = 18
_GAP = 4
_HEAT = 0.55
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.4


def panel_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the panels of a picture.

    Args:
        size: (height, width) of the picture.
    """
    scale = _SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_queries(picture: np.ndarray, maps: np.ndarray, highest: np.ndarray,
                 names: Sequence[str]) -> np.ndarray:
    """One panel a class, sorted by the highest score: its heat map over the picture.

    Colours run from blue for 0 to red for 1, the same in all panels.

    Args:
        picture: (h, w, 3) uint8, BGR.
        maps: Scores in [0, 1], (K, h, w).
        highest: The score to name beside each class, (K,).
        names: Of the K classes.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    height, width = maps.shape[1:]
    # A class has its place however narrow the picture is.
    cell = (height + _CAPTION + _GAP, max(width, _NARROWEST) + _GAP)
    columns = max(1, round(math.sqrt(len(names) * cell[0] / cell[1])))
    rows = math.ceil(len(names) / columns)
    sheet = np.full((rows * cell[0], columns * cell[1], 3), 255, dtype=np.uint8)
    # Stable: equal scores keep the order of the classes.
    for place, index in enumerate(np.argsort(-highest, kind='stable')):
        top, left = cell[0] * (place // columns), cell[1] * (place % columns)
        _write(sheet[top:top + _CAPTION, left:left + cell[1] - _GAP], names[index],
               f'{highest[index]:.2f}')
        top += _CAPTION
        sheet[top:top + height, left:left + width] = _heat(picture, maps[index])
    return sheet


def _heat(picture: np.ndarray, scores: np.ndarray) -> np.ndarray:
    levels = np.round(255 * np.clip(scores, 0, 1)).astype(np.uint8)
    return cv2.addWeighted(picture, 1 - _HEAT, cv2.applyColorMap(levels, cv2.COLORMAP_JET), _HEAT,
                           0)


def _write(strip: np.ndarray, name: str, score: str) -> None:
    """A name, cut off where it is too long, and a score at the right end."""
    place = strip.shape[1] - cv2.getTextSize(score, _FONT, _FONT_SCALE, 1)[0][0] - 2
    # Drawn on its own: a slice of an array has no memory that OpenCV can write to in one piece.
    drawn = np.ascontiguousarray(strip)
    cv2.putText(drawn, name, (2, _CAPTION - 5), _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    drawn[:, place - 4:] = 255
    cv2.putText(drawn, score, (place, _CAPTION - 5), _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    strip[:] = drawn
