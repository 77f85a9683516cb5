"""Data sets with seen and unseen classes, their pipelines and converters.

Importing this registers everything with mmseg.
"""

import mmseg_maskclip.mmcv_compat  # noqa: F401  (before anything imports mmseg)
from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.datasets.cityscapes import Cityscapes19Dataset
from mmseg_maskclip.datasets.image_folder import ImageFolderDataset, LabelledFolderDataset
from mmseg_maskclip.datasets.palettes import make_palette
from mmseg_maskclip.datasets.pipelines import Corrupt, LoadLabels
from mmseg_maskclip.datasets.published import (
    ADE150Dataset,
    COCOObjectDataset,
    COCOStuff164kDataset,
    Context59Dataset,
    Context60Dataset,
    VOC20Dataset,
    VOC21Dataset,
)
from mmseg_maskclip.datasets.reading import UnreadableSample
from mmseg_maskclip.datasets.tinyworld import TinyWorldDataset

__all__ = [
    'ADE150Dataset', 'COCOObjectDataset', 'COCOStuff164kDataset', 'Cityscapes19Dataset',
    'Context59Dataset', 'Context60Dataset', 'Corrupt', 'ImageFolderDataset',
    'LabelledFolderDataset', 'LoadLabels', 'OpenVocabularyMixin', 'TinyWorldDataset',
    'UnreadableSample', 'VOC20Dataset', 'VOC21Dataset', 'make_palette',
]
