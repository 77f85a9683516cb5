"""The decoder of ZegCLIP: class queries look for their patches."""

from __future__ import annotations

import copy
import math

import torch.nn.functional as F
from torch import Tensor, nn

# As in torch's transformer layers, of which the published decoder is made.
_FFN_RATIO = 4


class CrossAttention(nn.Module):
    """Attention of class queries over patches.

    Args:
        width: Channels C.
        heads: Number of heads.
        dropout: Of the attention.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """What the queries find.

        Args:
            queries: (B, R, C).
            patches: (B, N, C).

        Returns:
            (B, R, C).
        """
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q(queries), self.k(patches), self.v(patches)))
        found = F.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0)
        return self.proj(found.transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """Cross-attention and feed-forward network, each behind a residual, then a norm.

    Without self-attention queries do not know of each other, so that classes may be added.

    Args:
        width: Channels C.
        heads: Number of heads.
        dropout: Of all parts.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.cross_attn = CrossAttention(width, heads, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, _FFN_RATIO * width)
        self.linear2 = nn.Linear(_FFN_RATIO * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """(B, R, C) in and out, for patches (B, N, C)."""
        queries = self.norm1(queries + self.dropout(self.cross_attn(queries, patches)))
        hidden = self.dropout(F.relu(self.linear1(queries)))
        return self.norm2(queries + self.dropout(self.linear2(hidden)))


class MaskAttention(nn.Module):
    """The scores of a last attention as masks, before their softmax.

    The mean over the heads of q k / sqrt(C / heads) is one product over all channels.

    Args:
        width: Channels C.
        heads: Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, width)
        self.scale = 1 / (heads * math.sqrt(width / heads))

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """Mask logits (B, R, N) of queries (B, R, C) over patches (B, N, C)."""
        return self.scale * self.q(queries) @ self.k(patches).transpose(1, 2)


class MaskDecoder(nn.Module):
    """Layers that refine class queries by the patches, and the masks of the last one.

    All that the last layer of the published decoder computes behind its attention scores, the
    self-attention of every layer and its norm never reach the loss, and do not exist here.

    Args:
        width: Channels C.
        layers: Number of layers, with the last one that is read for masks alone.
        heads: Heads of each.
        dropout: Of all layers.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        first = DecoderLayer(width, heads, dropout)
        # As published, all layers start as copies of one.
        self.layers = nn.ModuleList(copy.deepcopy(first) for _ in range(layers - 1))
        self.masks = MaskAttention(width, heads)
        for name in ('q', 'k'):
            getattr(self.masks, name).load_state_dict(
                getattr(first.cross_attn, name).state_dict())

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """Mask logits.

        Args:
            queries: (B, R, C).
            patches: (B, N, C).

        Returns:
            (B, R, N).
        """
        for layer in self.layers:
            queries = layer(queries, patches)
        return self.masks(queries, patches)
