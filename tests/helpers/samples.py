"""Labelled pictures in their data sets' own encoding, and text embeddings as ZegCLIP's code keeps
them, bare arrays: real ones, or drawn stand-ins.

The stand-ins have the names and ids of the real files, so that one test reads both.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.voc_tree import write_image, write_labels

VOC = {'2011_000003': (5, 15), '2011_000006': (9, 15, 18), '2011_000025': (6, 7)}
ADE = {'ADE_val_00000001': (1, 2, 3, 5, 7, 10, 18), 'ADE_val_00000002': (1, 2, 3, 5, 14, 18),
       'ADE_val_00000003': (1, 2, 3, 5, 7, 12, 21, 44, 81, 88, 97, 103)}
CITYSCAPES = 'frankfurt_000000_000294'
# Label id to training id as published; the others are not evaluated.
TRAIN_IDS = {1: 255, 2: 255, 3: 255, 4: 255, 7: 0, 8: 1, 11: 2, 13: 4, 17: 5, 20: 7, 21: 8,
             23: 10, 24: 11, 26: 13}
THINGS = (24, 26)
TEXT_WIDTH = 512


@dataclasses.dataclass(frozen=True)
class Samples:
    """A folder of samples.

    Attributes:
        root: With ``voc``, ``ade`` and ``cityscapes``.
        agreement: Share of pixels in which the Cityscapes label files say
            the same; the real ones were made small one by one, so rims differ.
    """

    root: Path
    agreement: float


def real_samples() -> Samples | None:
    """The folder MASKCLIP_SAMPLES names, None if it is not set."""
    root = os.environ.get('MASKCLIP_SAMPLES')
    return Samples(Path(root).resolve(), agreement=0.99) if root else None


def drawn_samples(root: Path) -> Samples:
    """Write the stand-ins."""
    for name, ids in VOC.items():
        # As in the real files, a rim is void where objects meet the background; one has none.
        labels = draw(ids, (37, 50), void=None if name == '2011_000025' else 255)
        write_image(root / 'voc/JPEGImages' / f'{name}.jpg', labels.shape)
        _write_palette(root / 'voc/SegmentationClass' / f'{name}.png', labels)
    for name, ids in ADE.items():
        labels = draw(ids, (51, 68))
        write_image(root / 'ade/images' / f'{name}.jpg', labels.shape)
        write_labels(root / 'ade/annotations' / f'{name}.png', labels)
    _write_cityscapes(root / 'cityscapes')
    return Samples(root, agreement=1.0)


def draw(ids: Sequence[int], size: tuple[int, int], void: int | None = None) -> np.ndarray:
    """Boxes of the ids in lines, on a background of 0.

    Args:
        ids: One a box.
        size: (H, W).
        void: The id of the boxes' rims, which overlap; None draws no rims.

    Returns:
        (H, W) uint8.
    """
    labels = np.zeros(size, np.uint8)
    columns = int(np.ceil(len(ids) ** 0.5))
    step = np.array(size) / (-(-len(ids) // columns) + 1, columns + 1)
    points = np.indices(size).transpose(1, 2, 0)
    for place, label in enumerate(ids):
        centre = step * (place // columns + 1, place % columns + 1)
        distance = np.abs((points - centre) / step).max(-1)
        if void is not None:
            labels[distance < 0.65] = void
        labels[distance < 0.5] = label
    return labels


def _write_palette(path: Path, labels: np.ndarray) -> None:
    """As in VOC: palette indices, the colours spread over the bits of the index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    index = np.arange(256)[:, None]
    picture.putpalette(sum((index >> 3 * bit + np.arange(3) & 1) << 7 - bit
                           for bit in range(3)).astype(np.uint8).tobytes())
    assert picture.mode == 'P'
    picture.save(path)


def _write_cityscapes(root: Path) -> None:
    """Label ids, training ids, and instances: 1000 * id + number for things, else the id."""
    labels = draw(tuple(TRAIN_IDS), (32, 64))
    labels[labels == 0] = 4
    instances = labels.astype(np.uint16)
    for thing in THINGS:
        _, columns = np.nonzero(labels == thing)
        number = columns > columns.mean()
        instances[labels == thing] = 1000 * thing + number
    table = np.full(256, 255, np.uint8)
    table[list(TRAIN_IDS)] = list(TRAIN_IDS.values())
    write_image(root / 'leftImg8bit' / f'{CITYSCAPES}_leftImg8bit.png', labels.shape)
    for kind, values in {'labelIds': labels, 'labelTrainIds': table[labels],
                         'instanceIds': instances}.items():
        write_labels(root / 'gtFine' / f'{CITYSCAPES}_gtFine_{kind}.png', values)


def real_text() -> Path | None:
    """The folder ``real_text`` in or beside the one MASKCLIP_SAMPLES names; None without it."""
    root = os.environ.get('MASKCLIP_SAMPLES')
    if not root:
        return None
    folders = [Path(root).resolve() / 'real_text', Path(root).resolve().parent / 'real_text']
    return next((folder for folder in folders if folder.is_dir()), None)


def drawn_text(root: Path, files: Mapping[str, Sequence[str]]) -> Path:
    """Write stand-ins: a row is a unit vector that follows from its class's name.

    Args:
        root: The folder.
        files: Class names of each file.
    """
    for file, names in files.items():
        rows = np.stack([np.random.default_rng(
            int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'big')
        ).standard_normal(TEXT_WIDTH) for name in names])
        np.save(root / file, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype('f2'))
    return root
