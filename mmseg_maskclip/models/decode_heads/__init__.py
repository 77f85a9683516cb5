"""Heads that classify patches by text, and the decoders mmseg lacks."""

from mmseg_maskclip.models.decode_heads.aspp_v2_head import ASPPHeadV2
from mmseg_maskclip.models.decode_heads.maskclip_head import MaskClipHead
from mmseg_maskclip.models.decode_heads.maskclip_plus_head import MaskClipPlusHead
from mmseg_maskclip.models.decode_heads.zegclip_head import ZegClipHead

__all__ = ['ASPPHeadV2', 'MaskClipHead', 'MaskClipPlusHead', 'ZegClipHead']
