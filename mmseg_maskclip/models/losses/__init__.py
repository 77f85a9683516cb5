"""Losses that mmseg lacks."""

from mmseg_maskclip.models.losses.focal_dice_loss import FocalDiceLoss

__all__ = ['FocalDiceLoss']
