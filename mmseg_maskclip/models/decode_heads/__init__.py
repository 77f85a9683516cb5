"""Heads that classify patches by text, and the decoder mmseg lacks."""

from mmseg_maskclip.models.decode_heads.aspp_v2_head import ASPPHeadV2
from mmseg_maskclip.models.decode_heads.maskclip_head import MaskClipHead
from mmseg_maskclip.models.decode_heads.maskclip_plus_head import MaskClipPlusHead

__all__ = ['ASPPHeadV2', 'MaskClipHead', 'MaskClipPlusHead']
