"""Where read-outs are registered."""

from mmcv.utils import Registry

READOUTS = Registry('readout')
