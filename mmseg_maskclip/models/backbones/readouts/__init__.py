"""How patch features are read from the last layer of a CLIP ViT.

This is the one place where MaskCLIP departs from CLIP, and where other
training-free variants plug in: a readout gets the last block and its input and
returns patch tokens for the final LayerNorm and the projection.
"""

from mmseg_maskclip.models.backbones.readouts.attention import AttentionReadout
from mmseg_maskclip.models.backbones.readouts.registry import READOUTS
from mmseg_maskclip.models.backbones.readouts.value import ValueReadout

__all__ = ['READOUTS', 'AttentionReadout', 'ValueReadout']
