"""Segmentors that plug the CLIP towers into mmsegmentation."""

from mmseg_maskclip.models.segmentors.maskclip import MaskClip
from mmseg_maskclip.models.segmentors.maskclip_plus import MaskClipPlus
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.models.segmentors.zegclip import ZegClip

__all__ = ['MaskClip', 'MaskClipPlus', 'TiledInference', 'ZegClip']
