"""The embedded world, written by its tool in PASCAL VOC's layout."""

from __future__ import annotations

from mmseg.datasets import CustomDataset
from mmseg.datasets.builder import DATASETS

from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.tinyworld.classes import CLASSES, PALETTE, UNSEEN


@DATASETS.register_module()
class TinyWorldDataset(OpenVocabularyMixin, CustomDataset):
    """Six stuffs and eight things; every pixel has one of the 14 classes."""

    CLASSES = CLASSES
    PALETTE = [list(color) for color in PALETTE]
    UNSEEN = UNSEEN
    NEEDS_SPLIT = True
    PREPARE = 'Make it with: python tools/dataset_converters/tinyworld.py data/tinyworld'
