"""Label maps as index PNGs: the value of a pixel is the id of its class.

That is what mmseg, PASCAL VOC and FiftyOne read as labels. Up to 254 classes
are a picture of 8 bits with a palette inside; more are one of 16 bits, for
which PNG knows no palette. Read them with Pillow: OpenCV turns the ids of a
picture with a palette into colours.
"""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np
from PIL import Image

from mmseg_maskclip.formats.picture import MOST_IN_8_BITS, NONE, NONE_16
from mmseg_maskclip.utils import InputError, atomic_path
from mmseg_maskclip.utils.files import PathLike


def voc_palette() -> np.ndarray:
    """PASCAL VOC's colour of every id, (256, 3) uint8: 255 is its pale border.

    Bit ``3 i`` of an id is bit ``7 - i`` of red, the next one that of green,
    the next that of blue.
    """
    ids = np.arange(256)[:, None]
    channels = np.arange(3)[None]
    colours = np.zeros((256, 3), dtype=np.int64)
    for step in range(8):
        colours |= (ids >> (3 * step + channels) & 1) << (7 - step)
    return colours.astype(np.uint8)


class IndexPng:
    """Writes the label maps of one set of classes.

    Args:
        ids: The value that stands for each class, (K,); the classes' own ids
            where a data set's files shift or rename them.
        colours: RGB of each class; PASCAL VOC's where there are none. Ids
            without a class have VOC's colours too.

    Raises:
        InputError: If a value does not fit into 16 bits, or a class has no colour.
    """

    def __init__(self, ids: Sequence[int] | np.ndarray,
                 colours: Optional[Sequence[Sequence[int]] | np.ndarray] = None) -> None:
        self.ids = np.asarray(ids, dtype=np.int64)
        highest = max([0, *self.ids.tolist()])
        if highest >= NONE_16:
            raise InputError(f'a label file holds ids up to {NONE_16 - 1}, the classes have ids '
                             f'up to {highest}.')
        #: Whether files have 16 bits. A class must not have the id of ignored pixels.
        self.wide = len(self.ids) > MOST_IN_8_BITS or highest >= NONE
        self.palette = voc_palette()
        if colours is not None and np.shape(colours) != (len(self.ids), 3):
            raise InputError(f'the palette has shape {np.shape(colours)}, expected one RGB triple '
                             f'for each of {len(self.ids)} classes.')
        if colours is not None and not self.wide:
            self.palette[self.ids] = np.asarray(colours, dtype=np.uint8)

    def write(self, path: PathLike, labels: np.ndarray) -> None:
        """Write one label map, whole or not at all.

        Args:
            path: A name that ends in ``.png``; its folder is made where missing.
            labels: Class ids from 0 to K - 1, (H, W); any other is ignored.

        Raises:
            InputError: If it can't be written.
        """
        labels = np.asarray(labels)
        known = (labels >= 0) & (labels < len(self.ids))
        values = np.where(known, self.ids[np.where(known, labels, 0)],
                          NONE_16 if self.wide else NONE)
        picture = Image.fromarray(values.astype(np.uint16 if self.wide else np.uint8))
        if not self.wide:
            picture.putpalette(self.palette.tobytes())
        with atomic_path(path) as name:
            picture.save(name, format='PNG')

    def class_list(self, names: Sequence[str]) -> list[str]:
        """What each id stands for, from 0 to the highest.

        Args:
            names: Of the K classes.

        Returns:
            A name an id; ``__ignore__``, as in LabelMe's lists, for an id without a class.
        """
        listed = ['__ignore__'] * (max([-1, *self.ids.tolist()]) + 1)
        for index, name in zip(self.ids, names):
            listed[index] = name
        return listed
