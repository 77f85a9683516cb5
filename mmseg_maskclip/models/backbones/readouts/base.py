"""What every read-out is, and how it names blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Sequence

from mmcv.utils import Registry
from torch import Tensor, nn

from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmseg_maskclip.models.backbones.clip_resnet import AttentionPool

READOUTS = Registry('readout')
PUBLISHED_DEPTH = 12
"""Blocks of ViT-B/16, in which the papers count."""


class Readout(nn.Module):
    """Patch tokens from the trace of a forward pass; without weights, and without gradients
    of its own.

    All images of a batch are read independently of each other.

    Attributes:
        final_norm: Whether CLIP's final LayerNorm stands before the projection.
        unit_features: Whether features are L2-normalised before they are scored.
        reads_pool: Whether it can read the attention pool of a ResNet, too.
    """

    final_norm: ClassVar[bool] = True
    unit_features: ClassVar[bool] = True
    reads_pool: ClassVar[bool] = False

    def inputs(self, depth: int) -> tuple[int, ...]:
        """Numbers of the blocks whose input tokens are read; the last one's always are.

        Args:
            depth: Number of blocks of the tower.

        Raises:
            InputError: If the tower does not have such blocks.
        """
        return ()

    def projected(self, depth: int) -> tuple[int, ...]:
        """Numbers of the blocks whose queries, keys or values are read by ``trace.project``.

        The forward pass keeps its own of these blocks: (B, leading + N, 3C) each.

        Args:
            depth: Number of blocks of the tower.
        """
        return ()

    def forward(self, trace: Trace, guide: Guide | None = None) -> Tensor:
        """Read the patch tokens.

        Args:
            trace: Of a batch of B images with N patches.
            guide: For a second read-out of the same trace; not all read-outs take one.

        Returns:
            (B, N, C), before the final LayerNorm and the projection.
        """
        raise NotImplementedError

    def read_pool(self, pool: AttentionPool, tokens: Tensor) -> Tensor:
        """Read the attention pool of a ResNet, where :attr:`reads_pool` is set.

        Args:
            pool: The pool.
            tokens: Its input, (B, 1 + N, C): the mean token first, positions added.

        Returns:
            Projected features, (B, N, D).
        """
        raise NotImplementedError


def block_numbers(blocks: Sequence[int], depth: int, counted_in: int | None,
                  what: str) -> tuple[int, ...]:
    """Blocks of a tower, from numbers that are counted in a tower of another depth.

    A block keeps its place as a share of the depth: block 6 of 12 is block 12 of 24.

    Args:
        blocks: Numbers from 1 on; negative ones count from the end, -1 is the last.
        depth: Number of blocks of the tower.
        counted_in: Depth of the tower in which they are counted; None is this one.
        what: What the numbers are for, used in errors.

    Returns:
        Different numbers in 1..depth, ascending.

    Raises:
        InputError: If a number is not among 1..counted_in.
    """
    of = counted_in or depth
    whole = isinstance(blocks, (list, tuple)) and blocks and all(
        isinstance(number, int) and not isinstance(number, bool) for number in blocks)
    if not whole or not all(1 <= abs(number) <= of for number in blocks):
        raise InputError(f'{what} is {blocks!r}, expected numbers of blocks from 1 to {of}, the '
                         'depth in which they are counted, or negative ones from the end.')
    from_start = (number if number > 0 else of + 1 + number for number in blocks)
    # Never 0: the first blocks of a deep tower would be before the first of a flat one.
    return tuple(sorted({max(round(number * depth / of), 1) for number in from_start}))
