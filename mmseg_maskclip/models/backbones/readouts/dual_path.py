"""Read-outs on a second path beside the last blocks: GEM and CLIP Surgery."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.models.backbones.readouts.base import READOUTS, Readout
from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace
from mmseg_maskclip.utils import InputError, require_number

ATTENTIONS = ('gem', 'vv')


@READOUTS.register_module()
class DualPathReadout(Readout):
    """A path without feed-forward parts beside the last blocks, which run as ever.

    It starts at the input of the first of these blocks and adds O(Z) of each, Z from the
    ordinary path's input of that block.

    Args:
        blocks: How many last blocks it runs along (GEM's ``depth`` is one more).
        attention: ``'vv'`` compares values with values (CLIP Surgery, Sec. 3.1); ``'gem'`` each of
            queries, keys and values with itself, normalised, and takes the mean of the three
            (GEM, Sec. 3.3).
        iterations: Of GEM's self-self attention before the values are mixed.
        temperature: Of GEM, a factor of the logits; None takes each image's own, the mean norm
            of its tokens over the root of the width of a head.
        residual: Without it the path is O(Z) of the last block alone (as in ClearCLIP's code).

    Raises:
        InputError: On unknown or impossible settings.
    """

    def __init__(self, blocks: int = 6, attention: str = 'gem', iterations: int = 1,
                 temperature: float | None = None, residual: bool = True) -> None:
        super().__init__()
        self.blocks = require_number(blocks, 'blocks', minimum=1, whole=True)
        if attention not in ATTENTIONS:
            raise InputError(f'attention is {attention!r}, expected one of {ATTENTIONS}.')
        self.attention = attention
        self.iterations = require_number(iterations, 'iterations', minimum=0, whole=True)
        if temperature is not None:
            require_number(temperature, 'temperature', above=0)
        self.temperature = temperature
        self.residual = residual

    def inputs(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.inputs`."""
        if self.blocks > depth:
            raise InputError(f'blocks is {self.blocks}, expected at most {depth}, the depth of '
                             'the tower.')
        # Without a residual connection each block replaces what those before it gave.
        return tuple(range(depth - self.blocks + 1 if self.residual else depth, depth + 1))

    def projected(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.projected`."""
        return self.inputs(depth)

    def forward(self, trace: Trace, guide: Guide | None = None) -> Tensor:
        """See :meth:`Readout.forward`."""
        if guide is not None:
            raise InputError('DualPathReadout takes no guide: model.feedback is for '
                             'AttentionReadout.')
        numbers = self.inputs(trace.depth)
        # Nothing of this path enters an attention, so that it needs no class token.
        patches = trace.patches(numbers[0])
        for number in numbers:
            added = self._attend(trace, number)
            patches = patches + added if self.residual else added
        return patches

    def _attend(self, trace: Trace, number: int) -> Tensor:
        """O(Z) of a block, (B, N, C)."""
        values = trace.project(number, 'v')
        if self.attention == 'vv':
            mixed = F.scaled_dot_product_attention(values[:, :, trace.leading:], values, values)
        else:
            factor = self._factor(trace, number, values.shape[-1])
            # The fused kernel must get it from one side: it differs from image to image.
            mixed = torch.stack([
                self._self_self(trace.project(number, part), values, factor, trace.leading)
                for part in 'qkv']).mean(dim=0)
        return trace.block(number).attn.merge(mixed)

    def _factor(self, trace: Trace, number: int, width: int) -> Tensor | float:
        """Factor of the logits, (B, 1, 1, 1)."""
        if self.temperature is not None:
            return self.temperature
        normed = trace.normed(number)
        sizes = normed.float().norm(dim=-1).mean(dim=1) * width ** -0.5
        return sizes.to(normed)[:, None, None, None]

    def _self_self(self, part: Tensor, values: Tensor, factor: Tensor | float,
                   leading: int) -> Tensor:
        for _ in range(self.iterations):
            part = F.normalize(part, dim=-1)
            part = F.scaled_dot_product_attention(factor * part, part, part, scale=1.0)
        part = F.normalize(part, dim=-1)
        return F.scaled_dot_product_attention(factor * part[:, :, leading:], part, values,
                                              scale=1.0)
