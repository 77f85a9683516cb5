"""The embedded world: procedural pictures, captions, and tiny CLIPs that saw them."""

from mmseg_maskclip.tinyworld.classes import (
    CLASSES,
    PALETTE,
    STUFF,
    SYNONYMS,
    THINGS,
    UNSEEN,
    VOCABULARY,
)

__all__ = ['CLASSES', 'PALETTE', 'STUFF', 'SYNONYMS', 'THINGS', 'UNSEEN', 'VOCABULARY']
