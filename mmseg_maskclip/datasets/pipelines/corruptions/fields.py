"""Smoothing, moving, enlarging and random fields that several corruptions need."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import RandomState
from scipy import ndimage

_ROUGHNESS = 100.0


def gaussian(values: np.ndarray, sigma: float | tuple[float, ...]) -> np.ndarray:
    """A Gaussian blur cut at four sigma.

    Args:
        values: Any shape.
        sigma: Of all axes, or one an axis.
    """
    return ndimage.gaussian_filter(values, sigma, mode='nearest', truncate=4.0)


def moved(values: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """A picture that moved while it was taken, as ImageMagick's motion blur shows it.

    The weights along the line are one half of a Gaussian, strongest where the
    movement starts.

    Args:
        values: (H, W) or (H, W, 3).
        radius: Half the length of the line; it has ``2 radius + 1`` pixels.
        sigma: Of the Gaussian.
        angle: Of the line, in degrees.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-steps**2 / (2 * sigma**2))
    down = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(int)
    right = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(int)
    reach = 2 * radius
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (reach + down, reach + right), weights / weights.sum())
    return cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE)


def zoomed(values: np.ndarray, factor: float) -> np.ndarray:
    """The middle of a picture, enlarged with linear interpolation to its size or a little more.

    Args:
        values: (H, W) or (H, W, 3).
        factor: How much larger, 1 or more.
    """
    for axis in (0, 1):
        size = values.shape[axis]
        count = int(np.ceil(size / factor))
        start = (size - count) // 2
        # As scipy.ndimage.zoom: the outermost pixels keep their places.
        places = np.linspace(0, count - 1, max(round(count * factor), size))
        low = np.minimum(places.astype(int), count - 1)
        high = np.minimum(low + 1, count - 1)
        share = (places - low).astype(values.dtype)
        share = share.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
        values = (np.take(values, start + low, axis) * (1 - share)
                  + np.take(values, start + high, axis) * share)
    return values


def plasma(size: int, decay: float, random: RandomState) -> np.ndarray:
    """Clouds: heights by the diamond-square algorithm, (size, size) in [0, 1].

    Args:
        size: A power of two, 2 or more.
        decay: How much smaller the random part gets from scale to scale.
        random: Where that part comes from.
    """
    heights = np.zeros((size, size))
    step, rough = size, _ROUGHNESS

    def mean_and_noise(total: np.ndarray) -> np.ndarray:
        return total / 4 + rough * random.uniform(-rough, rough, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        # The picture is a torus: what is beyond the right edge is the left one.
        below, beside = np.roll(corners, -1, axis=0), np.roll(corners, -1, axis=1)
        heights[half::step, half::step] = mean_and_noise(
            corners + below + beside + np.roll(below, -1, axis=1))
        middles = heights[half::step, half::step]
        heights[::step, half::step] = mean_and_noise(
            corners + beside + middles + np.roll(middles, 1, axis=0))
        heights[half::step, ::step] = mean_and_noise(
            corners + below + middles + np.roll(middles, 1, axis=1))
        step, rough = half, rough / decay
    heights -= heights.min()
    return heights / heights.max()
