"""Weather: snow, fog, bright light. Frost has a module of its own."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import RandomState

from mmseg_maskclip.datasets.pipelines.corruptions.fields import moved, plasma, zoomed


def snow(image: np.ndarray, parameters: tuple[float, ...], random: RandomState) -> np.ndarray:
    """Let flakes fall, and make everything paler.

    Args:
        image: The picture, (H, W, 3).
        parameters: Mean and standard deviation of the noise flakes are made of,
            its enlargement, the level above which it shows, radius and sigma of
            the fall's blur, and the share of the picture that stays as it is.
        random: Where the flakes come from.
    """
    mean, std, size, threshold, radius, sigma, kept = parameters
    height, width = image.shape[:2]
    flakes = zoomed(random.normal(mean, std, size=(height, width)), size)
    flakes[flakes < threshold] = 0
    flakes = moved(np.clip(flakes, 0, 1), int(radius), sigma, random.uniform(-135, -45))
    flakes = flakes[:height, :width, None]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    pale = kept * image + (1 - kept) * np.maximum(image, grey * 1.5 + 0.5)
    return pale + flakes + np.rot90(flakes, 2)


def fog(image: np.ndarray, parameters: tuple[float, float], random: RandomState) -> np.ndarray:
    """Add clouds and keep the brightest value; parameters are their strength and smoothness."""
    strength, decay = parameters
    height, width = image.shape[:2]
    size = 1 << (max(height, width, 3) - 1).bit_length()
    brightest = image.max()
    clouds = plasma(size, decay, random)[:height, :width, None]
    return (image + strength * clouds) * brightest / (brightest + strength)


def brightness(image: np.ndarray, amount: float, random: RandomState) -> np.ndarray:
    """Raise the value of HSV (the largest of a pixel's channels); hue and saturation stay."""
    value = image.max(axis=2, keepdims=True)
    raised = np.minimum(value + amount, 1)
    # Black has no hue: it becomes grey.
    return np.where(value > 0, image * raised / np.where(value > 0, value, 1), raised)
