"""A data set of a user's own: three classes, images and labels in two folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmseg.datasets import DATASETS, CustomDataset, build_dataset

from mmseg_maskclip.datasets import OpenVocabularyMixin

from helpers.voc_tree import write_image, write_labels

CLASSES = ('road', 'field', 'forest')
LOADERS = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabels'}]


@DATASETS.register_module()
class OwnDataset(OpenVocabularyMixin, CustomDataset):
    """What docs/custom_data.md shows."""

    CLASSES = CLASSES
    PALETTE = [[128, 64, 128], [200, 200, 0], [0, 100, 0]]
    UNSEEN = ('forest',)


def write_own(root: Path, labels: dict, images: str = 'images') -> Path:
    """One picture per entry; an entry of None has no label file."""
    for number, (name, ids) in enumerate(labels.items()):
        size = (6, 8) if ids is None else np.asarray(ids).shape
        write_image(root / images / f'{name}.jpg', size, seed=number)
        if ids is not None:
            write_labels(root / 'labels' / f'{name}.png', ids)
    return root


def settings(root: Path, **options) -> dict:
    """Of the data set in a config."""
    return {'type': 'OwnDataset', 'data_root': str(root), 'img_dir': 'images',
            'ann_dir': 'labels', 'pipeline': LOADERS, **options}


def own(root: Path, **options) -> CustomDataset:
    """The data set itself."""
    return build_dataset(settings(root, **options))
