"""Backbones, heads and segmentors, registered with mmsegmentation."""

import mmseg_maskclip.mmcv_compat  # noqa: F401  (before anything imports mmseg)
from mmseg_maskclip.models.backbones import ClipResNet, ClipViT, PromptedClipViT
from mmseg_maskclip.models.class_weight.module import ClassWeight
from mmseg_maskclip.models.decode_heads import (
    ASPPHeadV2,
    MaskClipHead,
    MaskClipPlusHead,
    ZegClipHead,
)
from mmseg_maskclip.models.losses import FocalDiceLoss
from mmseg_maskclip.models.pseudo_labels.iteration_hook import IterationHook
from mmseg_maskclip.models.pseudo_labels.labeller import Labeller
from mmseg_maskclip.models.refiners import Background, ClassPrior, Closing, Pamr
from mmseg_maskclip.models.segmentors import MaskClip, MaskClipPlus, ZegClip

__all__ = ['ASPPHeadV2', 'Background', 'ClassPrior', 'ClassWeight', 'ClipResNet', 'ClipViT',
           'Closing', 'FocalDiceLoss', 'IterationHook', 'Labeller', 'MaskClip', 'MaskClipHead',
           'MaskClipPlus', 'MaskClipPlusHead', 'Pamr', 'PromptedClipViT', 'ZegClip',
           'ZegClipHead']
