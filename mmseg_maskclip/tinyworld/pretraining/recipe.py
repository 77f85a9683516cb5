"""What a tiny CLIP is pretrained with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from mmseg_maskclip.tinyworld.clip_sizes import TINY_RN, TINY_VIT, TINY_VIT8
from mmseg_maskclip.utils import InputError

SIZES = {'TinyRN': TINY_RN, 'TinyViT': TINY_VIT, 'TinyViT8': TINY_VIT8}


@dataclass(frozen=True)
class Recipe:
    """How a tiny CLIP is pretrained.

    Attributes:
        model: One of the names in ``SIZES``.
        steps: Optimiser steps.
        batch: Pairs per step.
        lr: Peak learning rate; linear warm-up over a tenth, then cosine to zero.
        weight_decay: On matrices only, not on gains, biases, tokens, positions.
        patch_dropout: Share of patches a ViT does not see in a step.
        seed: Of the pictures, the captions and the initial weights.
        log_every: Steps between two entries of the loss log.
        text_from: Tiny CLIP whose text tower is taken over, frozen; None trains one.

    Raises:
        InputError: If a value is out of range.
    """

    model: str = 'TinyRN'
    steps: int = 1000
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    patch_dropout: float = 0.0
    seed: int = 0
    log_every: int = 20
    text_from: str | None = None

    def __post_init__(self):
        if self.model not in SIZES:
            raise InputError(f"unknown tiny CLIP '{self.model}', expected one of "
                             f"{', '.join(SIZES)}")
        if self.text_from not in (None, *SIZES):
            raise InputError(f"unknown tiny CLIP '{self.text_from}' for the text tower, expected "
                             f"one of {', '.join(SIZES)}")
        if self.steps < 1 or self.batch < 2:
            raise InputError(f'cannot train {self.steps} steps of {self.batch} pairs, '
                             'expected at least 1 step of 2 pairs')
        if not 0 <= self.patch_dropout < 1:
            raise InputError(f'patch dropout is {self.patch_dropout}, expected 0 or more and '
                             'less than 1')
        if self.lr <= 0 or self.seed < 0:
            raise InputError(f'learning rate is {self.lr} and seed {self.seed}, expected a '
                             'rate above 0 and a seed of 0 or more')

    def changed(self, **changes) -> Recipe:
        """A copy with other values."""
        return replace(self, **changes)

    def as_dict(self) -> dict:
        """The values by name."""
        return asdict(self)


RECIPES = {
    'TinyRN': Recipe(model='TinyRN'),
    'TinyViT': Recipe(model='TinyViT', steps=800, lr=1e-3, patch_dropout=0.8),
    'TinyViT8': Recipe(model='TinyViT8', steps=3600, lr=1e-3, patch_dropout=0.8,
                       text_from='TinyRN'),
}
