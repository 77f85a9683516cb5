"""Where refiners are registered."""

from mmcv.utils import Registry

REFINERS = Registry('refiner')
