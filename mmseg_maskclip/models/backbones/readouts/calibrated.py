"""SC-CLIP's read-out: middle blocks calibrate the last one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.models.backbones.readouts.base import (
    PUBLISHED_DEPTH,
    READOUTS,
    Readout,
    block_numbers,
)
from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace
from mmseg_maskclip.ops import aggregate, local_outliers, replace_outliers, similarity_attention
from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.utils import InputError, require_number

NEIGHBOURS = 30


@READOUTS.register_module()
class CalibratedReadout(Readout):
    """The last block on aggregated patches, guided by similarities in middle blocks (SC-CLIP).

    Y = A2(attn(A(replace(T))) + c X) + A2(attn(R) + c X_R), where T are the patches that enter
    the last block, X their class token, R and X_R the sums over ``levels``; A and A2 average
    patches that are similar behind block ``before`` and block ``after``; replace puts for outliers
    by their neighbours. Neither residual connection nor feed-forward part; the class token is
    no key.

    Args:
        before: Block whose output says which patches are similar before the attention.
        after: The same for after the attention.
        levels: First and last of the blocks whose outputs are summed.
        class_share: Share c of the class token.
        threshold: Similarities below it count as none.
        counted_in: Depth of the tower in which the blocks are counted; None is this one.

    Raises:
        InputError: On impossible settings.
    """

    def __init__(self, before: int = 9, after: int = 4, levels: tuple[int, int] = (4, 10),
                 class_share: float = 0.3, threshold: float = 0.4,
                 counted_in: int | None = PUBLISHED_DEPTH) -> None:
        super().__init__()
        pair = isinstance(levels, (list, tuple)) and len(levels) == 2
        if not pair or not levels[0] <= levels[1]:
            raise InputError(f'levels is {levels!r}, expected the first and the last block, such '
                             'as (4, 10).')
        self._blocks = (before, after, *levels)
        self.class_share = require_number(class_share, 'class_share')
        self.threshold = require_number(threshold, 'threshold', minimum=-1, maximum=1)
        self._counted_in = counted_in

    def _resolved(self, depth: int) -> tuple[int, int, range]:
        """Numbers of the blocks whose *outputs* are read."""
        of = self._counted_in or depth
        if of in self._blocks or -1 in self._blocks:
            raise InputError(f'before, after and levels name block {of}, the last one, whose '
                             f'output is what is read: expected numbers from 1 to {of - 1}.')
        numbers = [block_numbers([number], depth, of, name)[0] for number, name in
                   zip(self._blocks, ('before', 'after', 'levels', 'levels'))]
        # In a flat tower the last but one may be rounded up to the last.
        before, after, first, final = (min(number, depth - 1) for number in numbers)
        return before, after, range(first, final + 1)

    def inputs(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.inputs`; the output of a block is the input of the next."""
        if depth < 2:
            raise InputError('CalibratedReadout needs a tower of at least 2 blocks, got 1.')
        before, after, levels = self._resolved(depth)
        return tuple(sorted({before + 1, after + 1, *(number + 1 for number in levels)}))

    def forward(self, trace: Trace, guide: Guide | None = None) -> Tensor:
        """See :meth:`Readout.forward`.

        Raises:
            InputError: If there are not more patches than neighbours that outliers are found by.
        """
        if guide is not None:
            raise InputError('CalibratedReadout takes no guide: model.feedback is for '
                             'AttentionReadout.')
        height, width = trace.grid
        if height * width <= NEIGHBOURS:
            raise InputError(f'CalibratedReadout compares each patch with {NEIGHBOURS} others, the '
                             f'grid of this image has {height} x {width}: test at a larger scale, '
                             'or take another read-out.')
        before, after, levels = self._resolved(trace.depth)
        last = trace.inputs[trace.depth]
        # Distances and quantiles of a few large numbers: not in half precision.
        patches = trace.patches(trace.depth).float()
        outliers = local_outliers(patches, NEIGHBOURS)
        similar = _similarity(replace_outliers(trace.patches(before + 1).float(), outliers,
                                            trace.grid))
        finer = _similarity(trace.patches(after + 1).float())
        replaced = replace_outliers(patches, outliers, trace.grid)
        summed = torch.stack([trace.inputs[number + 1].float() for number in levels]).sum(dim=0)
        both = torch.stack([aggregate(similar, replaced, self.threshold),
                            summed[:, trace.leading:]])
        token = self.class_share * (last[:, :1].float() + summed[:, :1])
        # Averaging is linear: both parts, with their class tokens, go through it together.
        mixed = 2 * self._attend(trace, both, similar) + token
        return aggregate(finer, mixed, self.threshold).to(last)

    def _attend(self, trace: Trace, both: Tensor, similar: Tensor) -> Tensor:
        """Mean O(A v) of two parts by the last block, (B, N, C).

        A is half by similarity, which is that of both, and half by each one's keys.

        Args:
            trace: Of the batch.
            both: Patches of the parts, (2, B, N, C).
            similar: (B, N, N).
        """
        block = trace.block(trace.depth)
        normed = block.ln1(both.flatten(0, 1).to(trace.inputs[trace.depth]))
        keys, values = (block.attn.project(normed, part) for part in 'kv')
        by_keys = F.scaled_dot_product_attention(keys, keys, values)
        # So is the output projection, and what mixes both parts alike.
        by_keys, values = (part.unflatten(0, (2, -1)).mean(dim=0) for part in (by_keys, values))
        attention = similarity_attention(similar).to(values)
        return block.attn.merge((attention[:, None] @ values + by_keys) / 2).float()


def _similarity(patches: Tensor) -> Tensor:
    """Cosines of all pairs of patches, (B, N, N)."""
    with full_precision(patches):
        unit = F.normalize(patches, dim=-1)
        return unit @ unit.transpose(1, 2)
