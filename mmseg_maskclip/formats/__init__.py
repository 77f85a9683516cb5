"""Results in the forms that other tools read."""

from mmseg_maskclip.formats.index_png import IndexPng, voc_palette

__all__ = ['IndexPng', 'voc_palette']
