"""The functions of the earlier ``maskclip`` package; see :mod:`mmseg_maskclip.maskclip`."""

from mmseg_maskclip.apis.maskclip_package.class_sets import (
    available_datasets,
    available_palette,
    get_classes,
    get_palette,
)
from mmseg_maskclip.apis.maskclip_package.crf import DenseCRF
from mmseg_maskclip.apis.maskclip_package.drawing import draw_segmentation
from mmseg_maskclip.apis.maskclip_package.loading import DENSE_MODES, available_models, load
from mmseg_maskclip.apis.maskclip_package.model import DualEncoder
from mmseg_maskclip.apis.maskclip_package.text import generate_text_embeddings, tokenize

__all__ = ['DENSE_MODES', 'DenseCRF', 'DualEncoder', 'available_datasets', 'available_models',
           'available_palette', 'draw_segmentation', 'generate_text_embeddings', 'get_classes',
           'get_palette', 'load', 'tokenize']
