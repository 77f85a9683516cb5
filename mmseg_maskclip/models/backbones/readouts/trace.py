"""What a forward pass of a ViT leaves for the read-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping, NamedTuple, cast

from torch import Tensor, nn

if TYPE_CHECKING:
    from mmseg_maskclip.models.backbones.transformer import Block


class Guide(NamedTuple):
    """What a first read-out found, for a second one of the same trace (ResCLIP, Sec. 3.3).

    The attention logits S of the last block become scale * ((1 - weight) S + weight matrix).

    Attributes:
        matrix: Which patches belong together, (B, N, N) in [0, 1].
        scale: Factor of the logits.
        weight: Share of the matrix.
    """

    matrix: Tensor
    scale: float
    weight: float


@dataclass
class Trace:
    """A forward pass through all blocks but the last.

    Attributes:
        blocks: All blocks of the tower.
        inputs: Input tokens (B, leading + N, C) of some blocks, by their numbers, which
            start at 1; the last block's are always there.
        grid: (h, w) of the N = h * w patches.
        leading: Tokens before the patches: the class token, and behind it learned prompts.
    """

    blocks: nn.ModuleList
    inputs: Mapping[int, Tensor]
    grid: tuple[int, int]
    leading: int = 1

    @property
    def depth(self) -> int:
        """Number of the last block."""
        return len(self.blocks)

    def block(self, number: int) -> Block:
        """A block by its number."""
        return cast('Block', self.blocks[number - 1])

    def patches(self, number: int) -> Tensor:
        """The patches among the input tokens of a block, (B, N, C)."""
        return self.inputs[number][:, self.leading:]
