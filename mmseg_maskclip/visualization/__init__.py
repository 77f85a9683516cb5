"""Label maps as pictures: colours, overlays, legends."""

from mmseg_maskclip.visualization.overlay import add_legend, classes_present, colour_map, overlay

__all__ = ['add_legend', 'classes_present', 'colour_map', 'overlay']
