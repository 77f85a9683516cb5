"""Heads that classify patches by text."""

from mmseg_maskclip.models.decode_heads.maskclip_head import MaskClipHead

__all__ = ['MaskClipHead']
