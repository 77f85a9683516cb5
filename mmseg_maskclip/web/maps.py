"""What travels to the browser once per picture and words, as plain bytes.

One answer holds, in this order:

* the length of the description, 4 bytes, little-endian;
* the description, JSON in UTF-8, padded with blanks to a multiple of 2 bytes;
* the index map, ``height * width`` numbers of 2 bytes, little-endian: the class
  of each pixel, 65535 where it is none;
* the confidence map, ``height * width`` bytes: how many of the thresholds
  1/200, 2/200 ... 200/200 the confidence reaches, so that a slider of 200 steps
  decides every pixel as the threshold of a prediction does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mmseg_maskclip.formats import NONE_16

if TYPE_CHECKING:
    from mmseg_maskclip.apis import Segmentation

LONGEST_SIDE = 1024
STEPS = 200


def shown_pixels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a picture that the page shows, at most 1024 each.

    A pixel of the page is one of the picture, none is mixed of several: labels
    can't be averaged.

    Args:
        height: H.
        width: W.

    Returns:
        (h,) and (w,).
    """
    scale = max(height, width) / LONGEST_SIDE
    if scale <= 1:
        return np.arange(height), np.arange(width)
    sides = []
    for length in (height, width):
        count = max(1, round(length / scale))
        sides.append(((np.arange(count) + 0.5) * length / count).astype(np.int64))
    return sides[0], sides[1]


def shrink(values: np.ndarray) -> np.ndarray:
    """The shown pixels of a map or picture.

    Args:
        values: (H, W) or (H, W, C).

    Returns:
        (h, w) or (h, w, C).
    """
    rows, columns = shown_pixels(*values.shape[:2])
    return values[rows[:, None], columns]


def confidence_steps(confidence: np.ndarray) -> np.ndarray:
    """How many thresholds of the slider each pixel reaches.

    Args:
        confidence: (H, W) float32, 0..1.

    Returns:
        (H, W) uint8, 0..200.
    """
    thresholds = (np.arange(1, STEPS + 1) / STEPS).astype(confidence.dtype)
    return np.searchsorted(thresholds, confidence, side='right').astype(np.uint8)


def description_of(result: Segmentation, size: tuple[int, int]) -> dict[str, Any]:
    """Names, colours and numbers of the classes, the picture's own size, unused contrast words.

    Args:
        result: Labels of a picture.
        size: (H, W) of the picture.
    """
    presence = result.presence or {}
    classes = [{'name': name, 'colour': [int(value) for value in colour],
                'best': float(result.best_confidence[name]), 'presence': presence.get(name)}
               for name, colour in zip(result.names, result.palette)]
    return {'classes': classes, 'own': list(size),
            'left_out': result.settings['contrast_left_out']}


def pack(description: dict[str, Any], labels: np.ndarray, confidence: np.ndarray) -> bytes:
    """One answer for the browser.

    Args:
        description: Plain values, which get ``height``, ``width`` and ``steps``.
        labels: Class index of each shown pixel, (h, w) uint8 or uint16; at least K is none.
        confidence: (h, w) float32.

    Returns:
        As described above.
    """
    index, steps = labels.astype('<u2'), confidence_steps(confidence)
    index[index >= len(description['classes'])] = NONE_16
    height, width = index.shape
    text = json.dumps({**description, 'height': height, 'width': width, 'steps': STEPS}).encode()
    # Browsers read numbers of 2 bytes only from an even position.
    text += b' ' * (len(text) % 2)
    return b''.join((len(text).to_bytes(4, 'little'), text, index.tobytes(), steps.tobytes()))
