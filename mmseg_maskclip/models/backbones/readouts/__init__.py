"""How patch features are read from a CLIP ViT.

This is the one place where MaskCLIP departs from CLIP, and where other training-free
methods plug in: a read-out gets the trace of a forward pass and returns patch tokens for
the final LayerNorm and the projection. One of them reads a ResNet's attention pool, too.
"""

from mmseg_maskclip.models.backbones.readouts.added_value import AddedValueReadout
from mmseg_maskclip.models.backbones.readouts.attention import AttentionReadout
from mmseg_maskclip.models.backbones.readouts.base import READOUTS, Readout
from mmseg_maskclip.models.backbones.readouts.calibrated import CalibratedReadout
from mmseg_maskclip.models.backbones.readouts.dual_path import DualPathReadout
from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace

__all__ = ['READOUTS', 'AddedValueReadout', 'AttentionReadout', 'CalibratedReadout',
           'DualPathReadout', 'Guide', 'Readout', 'Trace']
