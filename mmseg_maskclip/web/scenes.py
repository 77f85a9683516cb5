"""Scenes of the embedded world that the page offers."""

from __future__ import annotations

import functools

import numpy as np

from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

#: What the page starts with: not all that is in the first scene is among the words.
START_WORDS = ('zebra', 'chessboard', 'melon; watermelon', 'sky', 'forest; trees')
# Not the seed of the tables in the docs.
_SEED = 20
_INDICES = (4, 0, 1, 2, 3, 5)
SCENES = len(_INDICES)
_THUMBNAIL = 4


@functools.lru_cache(maxsize=SCENES)
def scene_pixels(number: int) -> np.ndarray:
    """One of the scenes.

    Args:
        number: 0 to 5.

    Returns:
        (256, 256, 3) uint8, RGB.

    Raises:
        InputError: If there is no such scene.
    """
    if not 0 <= number < SCENES:
        raise InputError(f'scene is {number}, expected 0 to {SCENES - 1}.')
    return scene(_SEED, _INDICES[number]).image


def thumbnail(number: int) -> np.ndarray:
    """A scene, small.

    Args:
        number: 0 to 5.

    Returns:
        (64, 64, 3) uint8, RGB.
    """
    pixels = scene_pixels(number)
    side = pixels.shape[0] // _THUMBNAIL
    blocks = pixels.reshape(side, _THUMBNAIL, side, _THUMBNAIL, 3)
    return blocks.mean(axis=(1, 3)).astype(np.uint8)
