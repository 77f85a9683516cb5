"""Labelled pictures that formats find hard."""

from __future__ import annotations

import numpy as np

from mmseg_maskclip.formats import LabelledPicture

NAMES = ('sky', 'road & "rail" <é>', 'cat', 'pole', 'none here', 'frame')
PALETTE = ((0, 0, 255), (128, 64, 128), (255, 0, 0), (1, 2, 3), (9, 9, 9), (0, 255, 16))
SCORES = (0.9, 0.8, 0.7, 0.6, 0.1, 0.5)


def hard_labels() -> np.ndarray:
    """Odd sides, holes, an island in a hole, touched borders, single pixels, none at all."""
    labels = np.full((37, 53), 255, dtype=np.uint8)
    labels[:12] = 0
    labels[3:9, 10:30] = 1
    labels[5:7, 15:20] = 0
    labels[20:31, 5:25] = 2
    labels[23:28, 9:20] = 255
    labels[25, 12:14] = 2
    labels[20:31:2, 40:53:3] = 2
    labels[33, 51] = 3
    labels[:, 52] = labels[36] = 5
    labels[36, 0] = 1
    return labels


def picture_of(labels: np.ndarray, file_name: str = 'a b.png', names: tuple = NAMES,
               scores: tuple | None = SCORES) -> LabelledPicture:
    """Labels with names and colours."""
    palette = PALETTE if len(names) == len(PALETTE) else tuple((0, 0, 0) for _ in names)
    return LabelledPicture(file_name, labels, names, palette, scores)


def masks_of(labels: np.ndarray, names: tuple = NAMES) -> dict[str, list]:
    """The mask of each class that is there, as nested lists of bool."""
    masks = {name: labels == index for index, name in enumerate(names)}
    return {name: mask.tolist() for name, mask in masks.items() if mask.any()}
