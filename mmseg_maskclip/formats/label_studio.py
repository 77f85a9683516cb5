"""Labels as predictions of Label Studio: brushes, in its own run-length code.

The code is that of the npm package ``@thi.ng/rle-pack``, a stream of bits over
the RGBA values of a picture.
"""

from __future__ import annotations

from typing import Any, Sequence
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from mmseg_maskclip import __version__
from mmseg_maskclip.formats.picture import (
    ClassMask,
    LabelledPicture,
    class_masks,
    hex_colour,
    run_lengths,
)

#: Where Label Studio serves files of its own machine.
LOCAL_FILES = '/data/local-files/?d='
#: Names of the two parts of the labelling config that a prediction refers to.
FROM_NAME, TO_NAME = 'brush', 'image'

_CHANNELS = 4
_WORD_BITS = 8
# A run's length - 1 takes one of these numbers of bits.
_SIZES = np.array([3, 4, 8, 16])
_LONGEST = 1 << int(_SIZES[-1])


def label_studio_of(picture: LabelledPicture, prefix: str = LOCAL_FILES) -> dict[str, Any]:
    """A task of Label Studio: a picture with one prediction.

    Args:
        picture: One brush for each class it has.
        prefix: What stands before the file name in the URL of the picture.

    Returns:
        The task, in JSON's types; a file to import is a list of tasks.
    """
    masks = list(class_masks(picture))
    prediction: dict[str, Any] = {'model_version': f'mmseg_maskclip {__version__}'}
    if picture.scores is not None and masks:
        prediction['score'] = float(np.mean([picture.scores[mask.index] for mask in masks]))
    prediction['result'] = [_brush(picture, mask) for mask in masks]
    return {'data': {'image': prefix + quote(picture.file_name)}, 'predictions': [prediction]}


def labelling_config(names: Sequence[str], palette: Sequence[tuple[int, int, int]]) -> str:
    """The labelling config of a project that takes the predictions.

    Args:
        names: Of the K classes.
        palette: RGB of each class, K triples.
    """
    labels = [f'    <Label value={quoteattr(name)} background="{hex_colour(colour)}"/>\n'
              for name, colour in zip(names, palette)]
    return (f'<View>\n  <Image name="{TO_NAME}" value="$image" zoom="true"/>\n'
            f'  <BrushLabels name="{FROM_NAME}" toName="{TO_NAME}">\n{"".join(labels)}'
            '  </BrushLabels>\n</View>\n')


def brush_rle(mask: np.ndarray) -> bytes:
    """A mask in Label Studio's run-length code.

    32 bits say how many values there are, 5 how many bits a value has (less
    1), four times 4 how many bits the length of a run may take (less 1). Then
    comes each run: a bit 1, two bits that choose one of the four, length - 1,
    value. Zeros fill the last byte. Each pixel is four equal values, so no run
    is so short that values one by one would take less.

    Args:
        mask: (H, W), zero or not.
    """
    lengths = run_lengths(mask) * _CHANNELS
    values = np.arange(len(lengths)) % 2 * 255
    pieces = -(-lengths // _LONGEST)
    values = np.repeat(values, pieces)
    sizes = np.full(len(values), _LONGEST)
    ends, used = np.cumsum(pieces) - 1, pieces > 0
    sizes[ends[used]] = (lengths - (pieces - 1) * _LONGEST)[used]

    which = np.searchsorted(1 << _SIZES, sizes)
    bits = _SIZES[which]
    codes = (((4 | which) << bits | sizes - 1) << _WORD_BITS) | values
    head = f'{mask.size * _CHANNELS:032b}{_WORD_BITS - 1:05b}' + ''.join(
        f'{size - 1:04b}' for size in _SIZES.tolist())
    return np.packbits(np.concatenate([
        np.array(list(head), dtype=np.uint8),
        _bits_of(codes, 3 + bits + _WORD_BITS)])).tobytes()


def _bits_of(codes: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Numbers written one after the other, the highest bit first.

    Args:
        codes: (R,) int.
        widths: How many bits each takes, (R,).

    Returns:
        0 and 1, (sum of widths,) uint8.
    """
    ends = np.cumsum(widths)
    bits = np.zeros(ends[-1], dtype=np.uint8)
    for place in range(int(widths.max())):
        used = place < widths
        bits[ends[used] - 1 - place] = codes[used] >> place & 1
    return bits


def _brush(picture: LabelledPicture, mask: ClassMask) -> dict[str, Any]:
    height, width = picture.labels.shape
    name = picture.names[mask.index]
    brush: dict[str, Any] = {
        'id': f'class-{mask.index}', 'type': 'brushlabels', 'from_name': FROM_NAME,
        'to_name': TO_NAME, 'original_width': width, 'original_height': height,
        'image_rotation': 0,
        'value': {'format': 'rle', 'rle': list(brush_rle(mask.placed(picture.labels.shape))),
                  'brushlabels': [name]}}
    if picture.scores is not None:
        brush['score'] = float(picture.scores[mask.index])
    return brush
