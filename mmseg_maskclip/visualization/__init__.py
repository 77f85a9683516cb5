"""Label maps and scores as pictures: colours, overlays, legends, heat maps, charts."""

from mmseg_maskclip.visualization.overlay import add_legend, classes_present, colour_map, overlay

__all__ = ['add_legend', 'classes_present', 'colour_map', 'overlay']
