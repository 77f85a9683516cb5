"""Backbones, heads and segmentors, registered with mmsegmentation."""

from mmseg_maskclip.models.backbones import ClipResNet, ClipViT
from mmseg_maskclip.models.decode_heads import MaskClipHead
from mmseg_maskclip.models.segmentors import MaskClip

__all__ = ['ClipResNet', 'ClipViT', 'MaskClip', 'MaskClipHead']
