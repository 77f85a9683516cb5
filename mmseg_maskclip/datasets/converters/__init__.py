"""From data sets as published to the label files that are read here."""

from mmseg_maskclip.datasets.converters.cityscapes import convert_cityscapes
from mmseg_maskclip.datasets.converters.coco_object import convert_coco_object
from mmseg_maskclip.datasets.converters.coco_stuff164k import convert_coco_stuff164k
from mmseg_maskclip.datasets.converters.colour_labels import convert_colour_labels
from mmseg_maskclip.datasets.converters.common import Conversion
from mmseg_maskclip.datasets.converters.pascal_context import (
    ContextSource,
    convert_pascal_context,
)
from mmseg_maskclip.datasets.converters.voc_aug import convert_voc_aug

__all__ = ['ContextSource', 'Conversion', 'convert_cityscapes', 'convert_coco_object',
           'convert_coco_stuff164k', 'convert_colour_labels', 'convert_pascal_context',
           'convert_voc_aug']
