"""What the page takes of pictures, and the scenes that it offers."""

from __future__ import annotations

import functools
import io
import re

import numpy as np
from PIL import Image

from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

MOST_BYTES = 30_000_000
MOST_PIXELS = 40_000_000
TOO_MANY_BYTES = 'the picture has more than 30 MB: save it smaller.'
TOO_MANY_PIXELS = ('the picture has more than the 40 million pixels that this page takes: scale it '
                   'down, or use maskclip predict.')
_LONGEST_NAME = 100
#: What the page starts with: not all that is in the first scene is among the words.
START_WORDS = ('zebra', 'chessboard', 'melon; watermelon', 'sky', 'forest; trees')
# Not the seed of the tables in the docs.
_SEED = 20
_INDICES = (4, 0, 1, 2, 3, 5)
SCENES = len(_INDICES)
_THUMBNAIL = 4


def plain_name(name: str) -> str:
    """The last part of a file name, without what no file name holds.

    Args:
        name: As a browser gave it.
    """
    last = re.split(r'[/\\]', name)[-1]
    kept = ''.join(letter for letter in last if letter.isprintable()).strip(' .')
    return kept[-_LONGEST_NAME:] or 'picture'


def png_bytes(picture: np.ndarray) -> bytes:
    """A picture as PNG.

    Args:
        picture: (H, W, 3) uint8, RGB.
    """
    file = io.BytesIO()
    # Nothing leaves the machine: speed counts, not size.
    Image.fromarray(picture).save(file, format='PNG', compress_level=1)
    return file.getvalue()


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
