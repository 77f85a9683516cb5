"""Formulas of the losses."""

from mmseg_maskclip.ops.losses.distillation import feature_distance
from mmseg_maskclip.ops.losses.focal_dice import MaskLosses, focal_dice

__all__ = ['MaskLosses', 'feature_distance', 'focal_dice']
