"""What a camera or a file does: contrast, elastic distortion, large pixels, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.random import RandomState
from PIL import Image
from scipy import ndimage

# Widths are shares of the picture, since the package's pictures have any size.
_SIGMA = 0.01
_LARGEST_STEP = 0.005


def contrast(image: np.ndarray, factor: float, random: RandomState) -> np.ndarray:
    """Bring every value nearer to the mean of its channel."""
    means = image.mean(axis=(0, 1), keepdims=True)
    return (image - means) * factor + means


def elastic_transform(image: np.ndarray, strength: float, random: RandomState) -> np.ndarray:
    """Move every pixel by a smooth random field of a few pixels (labels stay where they are).

    Args:
        image: The picture, (H, W, 3).
        strength: What the smoothed field is multiplied by.
        random: Where the field comes from.
    """
    height, width = image.shape[:2]
    limit = height * _LARGEST_STEP
    sigma = (height * _SIGMA, width * _SIGMA)
    right, down = (ndimage.gaussian_filter(
        random.uniform(-limit, limit, size=(height, width)), sigma, mode='reflect',
        truncate=3) * strength for _ in range(2))
    places = np.stack([np.arange(height)[:, None] + down, np.arange(width) + right])
    return np.stack([ndimage.map_coordinates(channel, places, order=1, mode='reflect')
                     for channel in np.moveaxis(image, 2, 0)], axis=2)


def pixelate(image: np.ndarray, share: float, random: RandomState) -> np.ndarray:
    """Shrink the picture and enlarge it again without smoothing."""
    height, width = image.shape[:2]
    picture = Image.fromarray(np.round(image * 255).astype(np.uint8))
    small = picture.resize((max(int(width * share), 1), max(int(height * share), 1)),
                           Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST),
                      dtype=np.float32) / 255


def jpeg_compression(image: np.ndarray, quality: int, random: RandomState) -> np.ndarray:
    """Write and read the picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, 'JPEG', quality=quality)
    with Image.open(buffer) as compressed:
        return np.asarray(compressed, dtype=np.float32) / 255
