"""Water and mud on the lens."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import RandomState

from mmseg_maskclip.datasets.pipelines.corruptions.fields import gaussian

_WATER = (175, 238, 238)
_MUD = (63, 42, 20)
_DROP_EDGE = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
_MAX_DISTANCE = 20
_MUD_THRESHOLD = 0.8


def spatter(image: np.ndarray, parameters: tuple[float, ...], random: RandomState) -> np.ndarray:
    """Splash water or mud on the lens.

    Args:
        image: The picture, (H, W, 3).
        parameters: Mean and standard deviation of the liquid, its blur, the
            level above which it shows, its strength, and 1 for mud.
        random: Where the liquid comes from.
    """
    mean, std, blur, threshold, strength, is_mud = parameters
    liquid = gaussian(random.normal(mean, std, size=image.shape[:2]), blur)
    liquid[liquid < threshold] = 0
    if is_mud:
        mask = gaussian((liquid > threshold).astype(np.float32), strength)
        mask[mask < _MUD_THRESHOLD] = 0
        mask = mask[..., None]
        return image * (1 - mask) + mask * np.float32(_MUD) / 255
    mask = strength * _water_mask((liquid * 255).astype(np.uint8))
    return image + mask[..., None] * np.float32(_WATER) / 255


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
