"""Noise, added to every value on its own."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState


def gaussian_noise(image: np.ndarray, sigma: float, random: RandomState) -> np.ndarray:
    """Add N(0, sigma) to every value."""
    return image + random.normal(scale=sigma, size=image.shape)


def shot_noise(image: np.ndarray, rate: float, random: RandomState) -> np.ndarray:
    """Count photons: Poisson(image * rate) / rate."""
    return random.poisson(image * rate) / rate


def impulse_noise(image: np.ndarray, amount: float, random: RandomState) -> np.ndarray:
    """Set a share of all values to 0 or 1, with equal chance."""
    hit = random.random_sample(image.shape) < amount
    salt = random.random_sample(image.shape) < 0.5
    return np.where(hit, salt, image)


def speckle_noise(image: np.ndarray, sigma: float, random: RandomState) -> np.ndarray:
    """Add noise in proportion to the value: x + x N(0, sigma)."""
    return image + image * random.normal(scale=sigma, size=image.shape)
