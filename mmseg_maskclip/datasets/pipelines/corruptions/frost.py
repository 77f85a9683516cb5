"""Ice on the lens, drawn here."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import RandomState

from mmseg_maskclip.datasets.pipelines.corruptions.fields import plasma

# Mean brightness, its spread and the tint of the five photographs in the benchmark.
_MEAN, _STD = 0.62, 0.15
_TINT = np.array([0.88, 1.02, 1.1], dtype=np.float32)
_CRYSTALS = 90
_BRANCHES = 7
_SHIFT = 3


def frost(image: np.ndarray, parameters: tuple[float, float], random: RandomState) -> np.ndarray:
    """Add ice; parameters are the shares of the picture and of the ice.

    The benchmark cuts its ice from photographs of others. This one is drawn,
    with their brightness and tint and the benchmark's shares: it is **not the
    benchmark's frost**, and its results are no published ones.

    Args:
        image: The picture, (H, W, 3).
        parameters: Shares of picture and ice.
        random: Where the ice comes from.
    """
    kept, added = parameters
    return kept * image + added * draw_ice(image.shape[0], image.shape[1], random)


def draw_ice(height: int, width: int, random: RandomState) -> np.ndarray:
    """A pane of ice: feathers of crystals over an uneven film.

    Args:
        height: Of the picture.
        width: Of the picture.
        random: Where its form comes from.

    Returns:
        RGB, (height, width, 3) float32 in [0, 1].
    """
    side = max(height, width, 3)
    film = plasma(1 << (side - 1).bit_length(), 2.0, random)[:height, :width]
    lines = np.zeros((height, width), dtype=np.float32)
    for _ in range(_CRYSTALS):
        _draw_feather(lines, side, random)
    ice = film + 0.8 * lines + 0.5 * cv2.GaussianBlur(lines, (0, 0), max(side / 150, 0.5))
    # Every pane as bright as any other, as a severity should be.
    ice = _MEAN + _STD * (ice - ice.mean()) / max(float(ice.std()), 1e-6)
    return np.clip(ice[..., None] * _TINT, 0, 1).astype(np.float32)


def _draw_feather(lines: np.ndarray, side: int, random: RandomState) -> None:
    """One crystal: a stem with branches at 60 degrees that get shorter to its tip."""
    start = random.uniform(0, (lines.shape[1], lines.shape[0]))
    angle, length = random.uniform(0, 2 * np.pi), side * random.uniform(0.05, 0.3)
    stem = length * _direction(angle)
    strokes = [(start, start + stem)]
    for share in np.linspace(0.1, 0.9, _BRANCHES):
        strokes += [(start + share * stem, start + share * stem
                     + 0.4 * (1 - share) * length * _direction(angle + turn))
                    for turn in (-np.pi / 3, np.pi / 3)]
    strength = float(random.uniform(0.4, 1))
    points = np.round(np.array(strokes) * 2**_SHIFT).astype(np.int32)
    canvas = np.zeros(lines.shape, dtype=np.uint8)
    cv2.polylines(canvas, list(points), False, 255, 1, cv2.LINE_AA, _SHIFT)
    np.maximum(lines, canvas * np.float32(strength / 255), out=lines)


def _direction(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])
