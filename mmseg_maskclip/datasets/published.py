"""The published data sets, each with its unseen classes (MaskCLIP, Sec. 4.3).

Classes and colours are mmseg's own; the names differ from mmseg's because its
registry must not be overwritten.
"""

from __future__ import annotations

from mmseg.datasets import (
    ADE20KDataset,
    COCOStuffDataset,
    CustomDataset,
    PascalContextDataset,
    PascalContextDataset59,
    PascalVOCDataset,
)
from mmseg.datasets.builder import DATASETS

from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.datasets.palettes import BLACK, make_palette

_THINGS = 80
_VOC_UNSEEN = ('pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor')
_CONTEXT_UNSEEN = ('cow', 'motorbike', 'sofa', 'cat', 'boat', 'fence', 'bird', 'tvmonitor',
                   'keyboard', 'aeroplane')
_STUFF_UNSEEN = ('cow', 'giraffe', 'suitcase', 'frisbee', 'skateboard', 'carrot', 'scissors',
                 'cardboard', 'clouds', 'grass', 'playingfield', 'river', 'road', 'tree',
                 'wall-concrete')
_VOC_PREPARE = ('Download VOCtrainval_11-May-2012.tar and extract it in data/; for '
                'SegmentationClassAug and aug.txt run: python '
                'tools/dataset_converters/voc_aug.py data/VOCdevkit data/VOCdevkit/VOCaug '
                '(see docs/datasets.md).')
_CONTEXT_PREPARE = 'Run: bash pascal_context_preparation.sh'


@DATASETS.register_module(name=['VOC20Dataset', 'PascalVOCDataset20'])
class VOC20Dataset(OpenVocabularyMixin, PascalVOCDataset):
    """PASCAL VOC 2012 without background: 20 classes, background pixels ignored."""

    PROMPTS = 'voc'
    CLASSES = PascalVOCDataset.CLASSES[1:]
    PALETTE = PascalVOCDataset.PALETTE[1:]
    UNSEEN = _VOC_UNSEEN
    NEEDS_SPLIT = True
    PREPARE = _VOC_PREPARE

    def __init__(self, **kwargs) -> None:
        super().__init__(reduce_zero_label=True, **kwargs)


@DATASETS.register_module()
class VOC21Dataset(OpenVocabularyMixin, PascalVOCDataset):
    """PASCAL VOC 2012 with background: 21 classes."""

    PROMPTS = 'voc21'
    UNSEEN = _VOC_UNSEEN
    NEEDS_SPLIT = True
    PREPARE = _VOC_PREPARE


@DATASETS.register_module()
class Context59Dataset(OpenVocabularyMixin, PascalContextDataset59):
    """PASCAL Context without background: 59 classes, background pixels ignored."""

    PROMPTS = 'context'
    UNSEEN = _CONTEXT_UNSEEN
    NEEDS_SPLIT = True
    PREPARE = _CONTEXT_PREPARE


@DATASETS.register_module()
class Context60Dataset(OpenVocabularyMixin, PascalContextDataset):
    """PASCAL Context with background: 60 classes."""

    PROMPTS = 'context60'
    UNSEEN = _CONTEXT_UNSEEN
    NEEDS_SPLIT = True
    PREPARE = _CONTEXT_PREPARE


@DATASETS.register_module()
class COCOStuff164kDataset(OpenVocabularyMixin, COCOStuffDataset):
    """COCO-Stuff 164k: 171 classes, labels ``*_labelTrainIds.png``."""

    PROMPTS = 'stuff'
    UNSEEN = _STUFF_UNSEEN
    PREPARE = ('Extract images/ and annotations/ (stuffthingmaps) in data/coco_stuff164k, then '
               'run: python tools/dataset_converters/coco_stuff164k.py data/coco_stuff164k '
               '(see docs/datasets.md).')


@DATASETS.register_module()
class COCOObjectDataset(OpenVocabularyMixin, CustomDataset):
    """COCO-Object: COCO's 80 things, all else is background; labels ``*_instanceTrainIds.png``.

    No zero-shot split is published for it: ``unseen`` is empty unless given.
    """

    PROMPTS = 'coco_object'
    CLASSES = ('background', *COCOStuffDataset.CLASSES[:_THINGS])
    # COCO-Stuff gives several things one colour, and one of them black.
    PALETTE = [list(BLACK), *make_palette(_THINGS)]
    PREPARE = ('Extract images/ and annotations/ (stuffthingmaps) in data/coco_stuff164k, then '
               'run: python tools/dataset_converters/coco_object.py data/coco_stuff164k '
               '(see docs/datasets.md).')

    def __init__(self, **kwargs) -> None:
        super().__init__(**{'img_suffix': '.jpg', 'seg_map_suffix': '_instanceTrainIds.png',
                            **kwargs})


@DATASETS.register_module()
class ADE150Dataset(OpenVocabularyMixin, ADE20KDataset):
    """ADE20K of the scene parsing benchmark: 150 classes, id 0 in the file ignored.

    No zero-shot split is published for it: ``unseen`` is empty unless given.
    """

    PROMPTS = 'ade'
    PREPARE = ('Download ADEChallengeData2016.zip and extract it in data/ade '
               '(see docs/datasets.md).')
