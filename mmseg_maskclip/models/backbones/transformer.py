"""The layers of CLIP's Vision Transformer."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_maskclip.models.backbones.packing import PackedWeights
from mmseg_maskclip.utils import InputError, TooSmallError

PADS = ('corner', 'centre', 'drop')


class SelfAttention(nn.Module):
    """Multi-head self-attention whose projections can be used separately.

    Args:
        width: Channels C.
        heads: Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # It only holds the parameters, under their published names: its own forward gives neither
        # values nor keys.
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.weights = PackedWeights()

    def project(self, x: Tensor, part: str) -> Tensor:
        """Queries, keys or values of each head.

        Args:
            x: (B, N, C).
            part: ``'q'``, ``'k'`` or ``'v'``.

        Returns:
            (B, heads, N, C // heads).
        """
        first = 'qkv'.index(part)
        return self._split(self._project(x, first, first + 1))

    def pack(self, x: Tensor) -> Tensor:
        """Queries, keys and values of all tokens side by side, (B, N, 3C)."""
        return self._project(x, 0, 3)

    def unpack(self, packed: Tensor, part: str) -> Tensor:
        """What :meth:`project` gives, from what :meth:`pack` gave."""
        return self._split(packed.chunk(3, dim=-1)['qkv'.index(part)])

    def merge(self, mixed: Tensor) -> Tensor:
        """Heads side by side through the output projection.

        Args:
            mixed: (B, heads, N, C // heads).

        Returns:
            (B, N, C).
        """
        return self._out(mixed.transpose(1, 2).flatten(2))

    def _project(self, x: Tensor, first: int, last: int) -> Tensor:
        """Rows [first, last) of the packed query/key/value projection."""
        width = x.shape[-1]
        rows = slice(first * width, last * width)
        return self.weights.linear((first, last), x, self.attn.in_proj_weight[rows],
                                   self.attn.in_proj_bias[rows])

    def _out(self, x: Tensor) -> Tensor:
        return self.weights.linear('out', x, self.attn.out_proj.weight, self.attn.out_proj.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def value(self, x: Tensor) -> Tensor:
        """Output of tokens that each attend to themselves alone, (B, L, C)."""
        return self._out(self._project(x, 2, 3))

    def key(self, x: Tensor, project: bool) -> Tensor:
        """Keys of the tokens, optionally through the output projection, (B, L, C)."""
        keys = self._project(x, 1, 2)
        return self._out(keys) if project else keys

    def attend(self, packed: Tensor) -> Tensor:
        """Attention of all tokens over all, from what :meth:`pack` gave, (B, N, C)."""
        query, key, value = packed.chunk(3, dim=-1)
        return self._attend(query, key, value)

    def forward(self, x: Tensor, queries: int | None = None) -> Tensor:
        """Attend over all tokens.

        Args:
            x: (B, N, C).
            queries: Number of leading tokens to return; None for all.

        Returns:
            (B, N or queries, C).
        """
        if queries is None:
            return self.attend(self.pack(x))
        # Keys and values of all tokens are needed, queries only of those that are read.
        key, value = self._project(x, 1, 3).chunk(2, dim=-1)
        return self._attend(self._project(x[:, :queries], 0, 1), key, value)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self.merge(F.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value)))


class FeedForward(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(width, hidden), activation), nn.Linear(hidden, width))
        self.weights = PackedWeights()

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) in and out."""
        inner = cast(nn.Sequential, self.layers[0])
        first, second = cast(nn.Linear, inner[0]), cast(nn.Linear, self.layers[1])
        x = inner[1](self.weights.linear('first', x, first.weight, first.bias))
        return self.weights.linear('second', x, second.weight, second.bias)


class Block(nn.Module):
    """Pre-norm transformer block of CLIP."""

    def __init__(self, width: int, heads: int, hidden: int, eps: float,
                 activation: nn.Module) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width, eps=eps)
        self.attn = SelfAttention(width, heads)
        self.ln2 = nn.LayerNorm(width, eps=eps)
        self.ffn = FeedForward(width, hidden, activation)

    def forward(self, x: Tensor, queries: int | None = None,
                packed: Tensor | None = None) -> Tensor:
        """(B, N, C) in; the first ``queries`` tokens, or all, out.

        ``packed`` is what ``attn.pack(ln1(x))`` gave, where that is known already; then all
        tokens come out.
        """
        x = x[:, :queries] + self.attn(self.ln1(x), queries) if packed is None \
            else x + self.attn.attend(packed)
        return x + self.ffn(self.ln2(x))


class PatchEmbed(nn.Module):
    """Bias-free patch projection of images of any size.

    Args:
        patch_size: Side of a patch.
        width: Channels C.
        pad: What happens to an image whose sides are no multiples of the patch:
            ``'corner'`` pads it at the bottom and on the right, ``'centre'`` on all
            sides (ClearCLIP), ``'drop'`` leaves out what is beyond the last whole
            patch (SCLIP, NACLIP).

    Raises:
        InputError: If ``pad`` is another word.
    """

    def __init__(self, patch_size: int, width: int, pad: str = 'corner') -> None:
        super().__init__()
        if pad not in PADS:
            raise InputError(f'pad is {pad!r}, expected one of {PADS}.')
        self.patch_size = patch_size
        self.pad = pad
        self.projection = nn.Conv2d(3, width, patch_size, stride=patch_size, bias=False)

    def padding(self, size: int) -> tuple[int, int]:
        """Pixels added before and after an axis of an image.

        Args:
            size: Of the image along this axis.
        """
        missing = 0 if self.pad == 'drop' else -size % self.patch_size
        before = missing // 2 if self.pad == 'centre' else 0
        return before, missing - before

    def forward(self, img: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C, h, w), by ceil(H / patch), with ``'drop'`` floor.

        Zero padding follows normalisation, so it is the mean colour.

        Raises:
            TooSmallError: If nothing is left of the image.
        """
        (top, bottom), (left, right) = (self.padding(size) for size in img.shape[2:])
        if top + bottom + left + right:
            img = F.pad(img, (left, right, top, bottom))
        if min(img.shape[2:]) < self.patch_size:
            raise TooSmallError(f"with pad='drop' an image of {img.shape[3]} x {img.shape[2]} has "
                                f"no whole patch of {self.patch_size} pixels: use pad='corner'.")
        return self.projection(img)
