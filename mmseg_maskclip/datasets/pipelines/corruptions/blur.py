"""Blur: out of focus, through glass, of a moving camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import RandomState

from mmseg_maskclip.datasets.pipelines.corruptions.fields import gaussian, moved, zoomed


def gaussian_blur(image: np.ndarray, sigma: float, random: RandomState) -> np.ndarray:
    """Blur every channel with a Gaussian cut at four sigma."""
    return gaussian(image, (sigma, sigma, 0))


def defocus_blur(image: np.ndarray, parameters: tuple[float, float],
                 random: RandomState) -> np.ndarray:
    """Average over a disk with softened rim; parameters are radius and softening."""
    return cv2.filter2D(image, -1, _disk(*parameters))


def glass_blur(image: np.ndarray, parameters: tuple[float, int, int],
               random: RandomState) -> np.ndarray:
    """Blur, let pixels take the value of a near one, and blur again.

    Pixels are visited from the last to the first. The benchmark's code means to
    swap two pixels, but only copies one of them, into a picture that is copied
    from later on; so does this.

    Args:
        image: The picture, (H, W, 3).
        parameters: Sigma of the blur, reach of the copies and their rounds.
        random: Where pixels are copied from.
    """
    sigma, reach, rounds = parameters
    blurred = np.floor(gaussian(image, (sigma, sigma, 0)) * 255) / 255
    height, width = image.shape[:2]
    rows = np.arange(reach + 1, height - reach + 1)
    columns = np.arange(reach + 1, width - reach + 1)
    places = np.arange(height * width)
    for _ in range(rounds):
        steps = random.randint(-reach, reach, size=(len(rows), len(columns), 2))
        near = (rows[:, None] + steps[..., 1]) * width + columns + steps[..., 0]
        inside = rows[:, None] * width + columns
        places = _copied(places, inside.ravel(), near.ravel())
    mixed = blurred.reshape(-1, 3)[places].reshape(image.shape)
    return gaussian(mixed, (sigma, sigma, 0)).astype(np.float32)


def _copied(values: np.ndarray, at: np.ndarray, source: np.ndarray) -> np.ndarray:
    """``values[at[i]] = values[source[i]]`` for i from the last to the first, (N,)."""
    found = np.arange(len(values))
    found[at] = source
    changed = np.zeros(len(values), dtype=bool)
    changed[at] = True
    # A source behind its pixel was overwritten before: follow it to one that was not.
    earlier = changed[found] & (found > np.arange(len(values)))
    root = np.where(earlier, found, np.arange(len(values)))
    while (root[root] != root).any():
        root = root[root]
    return values[found[root]]


def motion_blur(image: np.ndarray, parameters: tuple[int, float],
                random: RandomState) -> np.ndarray:
    """Blur along a line, within 45 degrees of level; parameters are its radius and sigma."""
    return moved(image, *parameters, random.uniform(-45, 45))


def zoom_blur(image: np.ndarray, factors: np.ndarray, random: RandomState) -> np.ndarray:
    """Average the picture and enlargements of its middle."""
    height, width = image.shape[:2]
    total = image.copy()
    for factor in factors:
        total += zoomed(image, factor)[:height, :width]
    return total / (len(factors) + 1)


def _disk(radius: float, softening: float) -> np.ndarray:
    """A disk of weights that sum to 1, its rim blurred against aliasing."""
    # The benchmark's sizes: they fix where the softened rim is cut off.
    reach, kernel_size = (8, (3, 3)) if radius <= 8 else (int(radius), (5, 5))
    steps = np.arange(-reach, reach + 1)
    disk = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float32)
    return cv2.GaussianBlur(disk / disk.sum(), kernel_size, sigmaX=softening)
