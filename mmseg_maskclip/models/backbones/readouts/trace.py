"""What a forward pass of a ViT leaves for the read-outs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Hashable, Mapping, NamedTuple, cast

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
        leading: Tokens before the patches: the class token.
        packed: Queries, keys and values of the input tokens of some blocks that ran, side by
            side, (B, leading + N, 3C), by their numbers.
        known: What was computed from the trace before, see :meth:`once`.
    """

    blocks: nn.ModuleList
    inputs: Mapping[int, Tensor]
    grid: tuple[int, int]
    leading: ClassVar[int] = 1
    packed: Mapping[int, Tensor] = field(default_factory=dict)
    known: dict[Hashable, Any] = field(default_factory=dict, repr=False)

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

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Something that a second read-out of this trace needs again.

        Args:
            key: What it is.
            make: Computes it, when it is asked for the first time.
        """
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]

    def normed(self, number: int) -> Tensor:
        """The input tokens of a block behind its first LayerNorm, (B, leading + N, C)."""
        return self.once(('normed', number), lambda: self.block(number).ln1(self.inputs[number]))

    def project(self, number: int, part: str) -> Tensor:
        """Queries, keys or values of the input tokens of a block, computed once.

        Args:
            number: Of the block.
            part: ``'q'``, ``'k'`` or ``'v'``.

        Returns:
            (B, heads, leading + N, C // heads).
        """
        attn = self.block(number).attn
        if number in self.packed:
            return attn.unpack(self.packed[number], part)
        return self.once((part, number), lambda: attn.project(self.normed(number), part))
