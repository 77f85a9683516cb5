"""Pictures from outside: refused before they are decoded where they are too large."""

from __future__ import annotations

import io
import re
import warnings

import numpy as np
from PIL import Image

from mmseg_maskclip.utils import InputError

MOST_BYTES = 30_000_000
MOST_PIXELS = 40_000_000
TOO_MANY_BYTES = 'the picture has more than 30 MB: save it smaller.'
_FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'TIFF', 'WEBP')
_LONGEST_NAME = 100


def check_size(content: bytes) -> None:
    """Refuse what is too large, by its header alone.

    What can't be read is left to whoever decodes it.

    Args:
        content: The file.

    Raises:
        InputError: If the picture has more than 40 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # Ours is the stricter limit.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            width, height = Image.open(io.BytesIO(content), formats=_FORMATS).size
    except Image.DecompressionBombError as error:
        raise InputError(_too_many_pixels('far more')) from error
    except Exception:  # headers that are damaged raise anything
        return
    if width * height > MOST_PIXELS:
        raise InputError(_too_many_pixels(f'{width} x {height} pixels, more'))


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


def _too_many_pixels(how: str) -> str:
    return (f'the picture has {how} than the 40 million that this page takes: scale it down, or '
            'use maskclip predict.')
