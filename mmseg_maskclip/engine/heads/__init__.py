"""Training-free methods: any of them by any protocol on any data set."""

from mmseg_maskclip.engine.heads.compose import Composition, choose, compose, save_config
from mmseg_maskclip.engine.heads.parts import OWN_PROTOCOL, part_names, require_part

__all__ = ['OWN_PROTOCOL', 'Composition', 'choose', 'compose', 'part_names',
           'require_part', 'save_config']
