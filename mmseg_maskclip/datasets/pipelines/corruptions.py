"""Eight image corruptions of ImageNet-C (Hendrycks and Dietterich, 2019).

Each takes an RGB picture in [0, 1], (H, W, 3) float32, its parameter for the
severity and a random state, and returns a picture of that shape, not clipped
yet. Parameters are those of the public benchmark.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.random import RandomState
from PIL import Image
from scipy import ndimage

_WATER = (175, 238, 238)
_MUD = (63, 42, 20)
_DROP_EDGE = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
_MAX_DISTANCE = 20
_MUD_THRESHOLD = 0.8


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


def gaussian_blur(image: np.ndarray, sigma: float, random: RandomState) -> np.ndarray:
    """Blur every channel with a Gaussian cut at four sigma."""
    return _gaussian(image, (sigma, sigma, 0))


def defocus_blur(image: np.ndarray, parameters: tuple[float, float],
                 random: RandomState) -> np.ndarray:
    """Average over a disk with softened rim; parameters are radius and softening."""
    return cv2.filter2D(image, -1, _disk(*parameters))


def spatter(image: np.ndarray, parameters: tuple[float, ...], random: RandomState) -> np.ndarray:
    """Splash water or mud on the lens.

    Args:
        image: The picture, (H, W, 3).
        parameters: Mean and standard deviation of the liquid, its blur, the
            level above which it shows, its strength, and 1 for mud.
        random: Where the liquid comes from.
    """
    mean, std, blur, threshold, strength, is_mud = parameters
    liquid = _gaussian(random.normal(mean, std, size=image.shape[:2]), blur)
    liquid[liquid < threshold] = 0
    if is_mud:
        mask = _gaussian((liquid > threshold).astype(np.float32), strength)
        mask[mask < _MUD_THRESHOLD] = 0
        mask = mask[..., None]
        return image * (1 - mask) + mask * np.float32(_MUD) / 255
    mask = strength * _water_mask((liquid * 255).astype(np.uint8))
    return image + mask[..., None] * np.float32(_WATER) / 255


def jpeg_compression(image: np.ndarray, quality: int, random: RandomState) -> np.ndarray:
    """Write and read the picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, 'JPEG', quality=quality)
    with Image.open(buffer) as compressed:
        return np.asarray(compressed, dtype=np.float32) / 255


def _gaussian(values: np.ndarray, sigma: float | tuple[float, ...]) -> np.ndarray:
    return ndimage.gaussian_filter(values, sigma, mode='nearest', truncate=4.0)


def _disk(radius: float, softening: float) -> np.ndarray:
    """A disk of weights that sum to 1, its rim blurred against aliasing."""
    # The benchmark's sizes: they fix where the softened rim is cut off.
    reach, kernel_size = (8, (3, 3)) if radius <= 8 else (int(radius), (5, 5))
    steps = np.arange(-reach, reach + 1)
    disk = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float32)
    return cv2.GaussianBlur(disk / disk.sum(), kernel_size, sigmaX=softening)


def _water_mask(liquid: np.ndarray) -> np.ndarray:
    """How much light each pixel of a drop adds, (H, W) in [0, 1].

    Drops are brightest along one side of their rim: the distance to the rim,
    equalised, goes through a filter that responds to one diagonal.
    """
    # From here on in 8 bits, as in the benchmark: its drops depend on the rounding.
    rim = cv2.Canny(liquid, 50, 150)
    distance = cv2.distanceTransform(255 - rim, cv2.DIST_L2, 5)
    distance = cv2.blur(np.minimum(distance, _MAX_DISTANCE), (3, 3)).astype(np.uint8)
    relief = cv2.filter2D(cv2.equalizeHist(distance), cv2.CV_8U, _DROP_EDGE)
    mask = liquid * cv2.blur(relief, (3, 3)).astype(np.float32)
    brightest = mask.max()
    return mask / brightest if brightest > 0 else mask


#: Name -> the operator and its parameter for severities 1 to 5.
CORRUPTIONS = {
    'gaussian_noise': (gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    'shot_noise': (shot_noise, (60, 25, 12, 5, 3)),
    'impulse_noise': (impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)),
    'speckle_noise': (speckle_noise, (0.15, 0.2, 0.35, 0.45, 0.6)),
    'gaussian_blur': (gaussian_blur, (1, 2, 3, 4, 6)),
    'defocus_blur': (defocus_blur, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))),
    'spatter': (spatter, ((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0),
                          (0.65, 0.3, 2, 0.68, 0.5, 0), (0.65, 0.3, 1, 0.65, 1.5, 1),
                          (0.67, 0.4, 1, 0.65, 1.5, 1))),
    'jpeg_compression': (jpeg_compression, (25, 18, 15, 10, 7)),
}
