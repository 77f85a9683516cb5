"""From weights as their authors publish them to the names of mmseg's backbones."""

from mmseg_maskclip.models.converters.mit import convert_mit

__all__ = ['convert_mit']
