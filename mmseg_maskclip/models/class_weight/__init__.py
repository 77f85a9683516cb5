"""Class weight: an image-level CLIP prior that reweights dense class scores."""

from mmseg_maskclip.models.class_weight.module import ClassWeight

__all__ = ['ClassWeight']
