"""A picture with a class for each pixel, as all formats take it, and its masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

import numpy as np

from mmseg_maskclip.utils import InputError

#: What a pixel of no class is, in label maps of 8 and of 16 bits.
NONE = 255
NONE_16 = 65535
#: Of so many classes label maps have 8 bits; 255 is none of them.
MOST_IN_8_BITS = 254


def none_value(classes: int) -> int:
    """What a pixel of no class is among so many classes: 255 up to 254 of them, else 65535."""
    return NONE if classes <= MOST_IN_8_BITS else NONE_16


def label_type(classes: int) -> type[np.unsignedinteger]:
    """The type of label maps of so many classes: uint8 up to 254 of them, else uint16.

    Raises:
        InputError: If there are more than 65535, whose ids don't fit.
    """
    if classes > NONE_16:
        raise InputError(f'label maps hold at most {NONE_16} classes, got {classes}.')
    return np.uint8 if classes <= MOST_IN_8_BITS else np.uint16


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and the class of each of its pixels.

    Attributes:
        file_name: With ``/``, relative to the folder of the pictures; empty if unknown.
        labels: Class of each pixel, 0 to K - 1, (H, W) uint8 or uint16; any
            other value is none of the classes.
        names: Of the K classes.
        palette: RGB of each class, K triples.
        scores: The best confidence of each class, K values from 0 to 1.
    """

    file_name: str
    labels: np.ndarray
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    scores: Optional[tuple[float, ...]] = None


@dataclass(frozen=True)
class ClassMask:
    """The pixels of one class, cut out by their tight box.

    Attributes:
        index: Of the class.
        left: First column of the box.
        top: First row of the box.
        crop: The pixels within the box, (h, w) bool.
    """

    index: int
    left: int
    top: int
    crop: np.ndarray

    def placed(self, shape: tuple[int, ...], order: str = 'C') -> np.ndarray:
        """The mask at the size of its picture.

        Args:
            shape: (H, W) of the picture.
            order: ``'C'`` row by row or ``'F'`` column by column in memory.

        Returns:
            0 and 1, (H, W) uint8.
        """
        full = np.zeros(shape, dtype=np.uint8, order='F' if order == 'F' else 'C')
        height, width = self.crop.shape
        full[self.top:self.top + height, self.left:self.left + width] = self.crop
        return full


def class_masks(picture: LabelledPicture) -> Iterator[ClassMask]:
    """The mask of each class that the picture has, in the order of the classes.

    Args:
        picture: Classes without a pixel are left out.
    """
    labels = picture.labels
    present = np.zeros(NONE_16 + 1, dtype=bool)
    # Row by row: an index array of the whole picture would take eight bytes a pixel.
    for row in labels:
        present[row] = True
    for index in np.flatnonzero(present[:len(picture.names)]).tolist():
        mask = labels == index
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        yield ClassMask(index, left, top, mask[top:rows[-1] + 1, left:columns[-1] + 1].copy())


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of equal pixels, row by row; the first run is one of zeros.

    Args:
        mask: (H, W), zero or not.

    Returns:
        Runs of zeros and of others in turn, (R,) int64; the first is 0 where
        the mask begins with another value.
    """
    flat = np.ascontiguousarray(mask).reshape(-1).astype(bool)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(edges, prepend=0, append=flat.size)
    return np.concatenate([[0], lengths]) if flat[0] else lengths


def hex_colour(colour: tuple[int, int, int]) -> str:
    """RGB as ``#rrggbb``."""
    red, green, blue = colour
    return f'#{red:02x}{green:02x}{blue:02x}'
