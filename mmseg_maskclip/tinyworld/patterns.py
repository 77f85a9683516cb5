"""Building blocks of the textures: noise, colours, turned coordinates, cells."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

Array = np.ndarray


def noise(height: int, width: int, cell: float | tuple[float, float], rng: Generator) -> Array:
    """Smooth random values in 0..1, (H, W), whose features are ``cell`` pixels.

    Args:
        height: Rows.
        width: Columns.
        cell: Pixels between two independent values, one number or (rows, columns).
        rng: Source of randomness.
    """
    rows, cols = (cell, cell) if np.isscalar(cell) else cell
    coarse = rng.random((int(height / rows) + 4, int(width / cols) + 4), dtype=np.float32)
    full = (int(coarse.shape[1] * cols + 1), int(coarse.shape[0] * rows + 1))
    # Larger than asked for: cubic interpolation is off near the border, which is cut away.
    fine = cv2.resize(coarse, full, interpolation=cv2.INTER_CUBIC)
    top, left = int(rows), int(cols)
    return np.clip(fine[top:top + height, left:left + width], 0, 1)


def fractal(height: int, width: int, cell: float, rng: Generator, octaves: int = 3) -> Array:
    """Noise summed over octaves, each of half the size and weight; 0..1, (H, W)."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        total += noise(height, width, max(cell / 2**octave, 1.5), rng) / 2**octave
    return total / (2 - 2 / 2**octaves)


def smooth_step(values: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, a smooth ramp between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: Array, second: Array, weight: Array) -> Array:
    """Blend two colours (3,) or pictures (H, W, 3) by a weight 0..1 (H, W).

    Args:
        first: What is left where the weight is 0.
        second: What is left where it is 1.
        weight: Share of ``second``.
    """
    weight = weight[..., None]
    return (np.asarray(first, np.float32) * (1 - weight)
            + np.asarray(second, np.float32) * weight)


def colour_near(rng: Generator, rgb: tuple[int, int, int], spread: float = 16) -> Array:
    """A colour near ``rgb``: each channel moved by up to ``spread``."""
    return np.clip(np.asarray(rgb) + rng.uniform(-spread, spread, 3), 0, 255).astype(np.float32)


def turned(height: int, width: int, rng: Generator, warp: float = 0,
           angle: float | None = None) -> tuple[Array, Array]:
    """Pixel coordinates turned by an angle, shifted, and bent by ``warp`` pixels.

    Args:
        height: Rows.
        width: Columns.
        rng: Source of randomness.
        warp: How far a line may leave its straight course, in pixels.
        angle: In radians; any angle where None.

    Returns:
        Along and across, (H, W) each.
    """
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    y, x = np.mgrid[:height, :width].astype(np.float32) + rng.uniform(0, 500)
    if warp:
        x = x + warp * 2 * (noise(height, width, 28, rng) - 0.5)
        y = y + warp * 2 * (noise(height, width, 28, rng) - 0.5)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def cells(u: Array, v: Array, jitter: float, rng: Generator) -> tuple[Array, Array, Array]:
    """Distances to the nearest and second nearest of jittered grid points.

    Args:
        u: Coordinates in units of the grid, (H, W).
        v: The other coordinates, (H, W).
        jitter: How far a point may leave its cell's centre, 0..0.5.
        rng: Source of randomness.

    Returns:
        Nearest distance, second nearest, and a random value 0..1 per point.
    """
    # A table of 32 x 32 points, which repeats beyond.
    table = rng.random((3, 1024), dtype=np.float32)
    table[:2] = 0.5 + jitter * (2 * table[:2] - 1)
    cell_u, cell_v = np.floor(u), np.floor(v)
    inner_u, inner_v = u - cell_u, v - cell_v
    cell_u, cell_v = cell_u.astype(np.int32), cell_v.astype(np.int32)
    first = np.full(u.shape, 9, np.float32)
    second, owner = first.copy(), np.zeros(u.shape, np.int32)
    # Points stay in their cells: the nearest two lie in this cell or beside it.
    for shift_u in (-1, 0, 1):
        column = ((cell_u + shift_u) & 31) << 5
        for shift_v in (-1, 0, 1):
            point = column | ((cell_v + shift_v) & 31)
            distance = np.hypot(table[0].take(point) + shift_u - inner_u,
                                table[1].take(point) + shift_v - inner_v)
            owner = np.where(distance < first, point, owner)
            np.minimum(second, np.maximum(first, distance), out=second)
            np.minimum(first, distance, out=first)
    return first, second, table[2].take(owner)
