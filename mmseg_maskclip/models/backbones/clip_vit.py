"""CLIP's Vision Transformer with a dense last block (MaskCLIP, Sec. 3.2)."""

from __future__ import annotations

from typing import Sequence, cast

import torch
import torch.nn.functional as F
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from mmseg_maskclip.models.backbones.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipBackbone,
    DenseFeatures,
    QuickGELU,
)
from mmseg_maskclip.models.backbones.readouts import READOUTS, AttentionReadout

# The official code runs CLIP's weights in mmseg's ViT, with its eps and its exact GELU.
PAPER_LN_EPS = 1e-6


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

    def _project(self, x: Tensor, first: int, last: int) -> Tensor:
        """Rows [first, last) of the packed query/key/value projection."""
        width = x.shape[-1]
        rows = slice(first * width, last * width)
        return F.linear(x, self.attn.in_proj_weight[rows], self.attn.in_proj_bias[rows])

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def value(self, x: Tensor) -> Tensor:
        """Output of tokens that each attend to themselves alone, (B, L, C)."""
        return self.attn.out_proj(self._project(x, 2, 3))

    def key(self, x: Tensor, project: bool) -> Tensor:
        """Keys of the tokens, optionally through the output projection, (B, L, C)."""
        keys = self._project(x, 1, 2)
        return self.attn.out_proj(keys) if project else keys

    def forward(self, x: Tensor, queries: int | None = None) -> Tensor:
        """Attend over all tokens.

        Args:
            x: (B, N, C).
            queries: Number of leading tokens to return; None for all.

        Returns:
            (B, N or queries, C).
        """
        if queries is None:
            query, key, value = self._project(x, 0, 3).chunk(3, dim=-1)
        else:
            # Keys and values of all tokens are needed, queries only of those that are read.
            query = self._project(x[:, :queries], 0, 1)
            key, value = self._project(x, 1, 3).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value))
        return self.attn.out_proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(width, hidden), activation), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) in and out."""
        return self.layers(x)


class Block(nn.Module):
    """Pre-norm transformer block of CLIP."""

    def __init__(self, width: int, heads: int, hidden: int, eps: float,
                 activation: nn.Module) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width, eps=eps)
        self.attn = SelfAttention(width, heads)
        self.ln2 = nn.LayerNorm(width, eps=eps)
        self.ffn = FeedForward(width, hidden, activation)

    def forward(self, x: Tensor, queries: int | None = None) -> Tensor:
        """(B, N, C) in; the first ``queries`` tokens, or all, out."""
        x = x[:, :queries] + self.attn(self.ln1(x), queries)
        return x + self.ffn(self.ln2(x))


class PatchEmbed(nn.Module):
    """Bias-free patch projection; images are padded bottom and right."""

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.projection = nn.Conv2d(3, width, patch_size, stride=patch_size, bias=False)

    def forward(self, img: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C, ceil(H / patch), ceil(W / patch)).

        Zero padding follows normalisation, so it is the mean colour.
        """
        bottom = -img.shape[2] % self.patch_size
        right = -img.shape[3] % self.patch_size
        if bottom or right:
            img = F.pad(img, (0, right, 0, bottom))
        return self.projection(img)


@BACKBONES.register_module()
class ClipViT(ClipBackbone):
    """CLIP ViT; the last block is read densely through a replaceable readout.

    Parameter names are those of the published MaskCLIP backbones, plus
    ``proj.weight`` (D, C).

    Args:
        arch: Name of a CLIP ViT, or a dict of sizes.
        fidelity: ``'paper'`` or ``'clip'``, see :class:`ClipBackbone`.
        readout: Config of the dense readout of the last block.
        input_mean: Mean the pipeline subtracts, per RGB channel, 0..255.
        input_std: Standard deviation the pipeline divides by.
        frozen: Whether the tower stays in eval mode without gradients.
        init_cfg: As in mmcv.
    """

    kind = 'vit'

    def __init__(self, arch: str | dict = 'ViT-B/16', fidelity: str = 'paper',
                 readout: dict | None = None, input_mean: Sequence[float] = IMAGENET_MEAN,
                 input_std: Sequence[float] = IMAGENET_STD, frozen: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(arch, fidelity, input_mean, input_std, frozen, init_cfg)
        spec = self.spec
        # Of the right kind of tower, so these are set: the base class has checked it.
        patch_size, layers = cast(int, spec.patch_size), cast(int, spec.layers)
        eps = PAPER_LN_EPS if fidelity == 'paper' else spec.ln_eps
        self.patch_embed = PatchEmbed(patch_size, spec.width)
        tokens = spec.grid ** 2 + 1
        self.cls_token = nn.Parameter(torch.randn(1, 1, spec.width) * spec.width ** -0.5)
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, spec.width) * spec.width ** -0.5)
        self.ln0 = nn.LayerNorm(spec.width, eps=eps)
        self.layers = nn.ModuleList(
            Block(spec.width, spec.heads, round(spec.width * spec.mlp_ratio), eps,
                  self._activation())
            for _ in range(layers))
        self.ln1 = nn.LayerNorm(spec.width, eps=eps)
        self.proj = nn.Linear(spec.width, spec.embed_dim, bias=False)
        self.readout = READOUTS.build(readout or {'type': 'ValueReadout'})
        # For the head's attn_pooling, whatever the readout is.
        self._attention = AttentionReadout()
        self.freeze()

    def _activation(self) -> nn.Module:
        exact = self.fidelity == 'paper' or self.spec.activation == 'gelu'
        return nn.GELU() if exact else QuickGELU()

    def use_activation(self, name: str) -> None:
        """See :meth:`ClipBackbone.use_activation`; with ``'paper'`` the tower keeps exact GELU."""
        super().use_activation(name)
        for block in self.layers:
            cast(nn.Sequential, cast(Block, block).ffn.layers[0])[1] = self._activation()

    def _embed(self, img: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens before the first block, (B, 1 + h*w, C), and the grid (h, w)."""
        patches = self.patch_embed(self.normalise(img))
        grid = (patches.shape[2], patches.shape[3])
        # Under autocast patches are in half precision, the parameter is not.
        tokens = torch.cat([self.cls_token.expand(len(img), -1, -1).to(patches),
                            patches.flatten(2).transpose(1, 2)], dim=1)
        return self.ln0(tokens + self.positions(self.pos_embed[0], grid)), grid

    def _trunk(self, img: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Input of the last block, and the grid."""
        tokens, grid = self._embed(img)
        for block in self.layers[:-1]:
            tokens = block(tokens)
        return tokens, grid

    def dense(self, img: Tensor, keys: bool = False, attention: bool = False,
              image: bool = False) -> DenseFeatures:
        """See :meth:`ClipBackbone.dense`; the grid is ceil(H / patch) x ceil(W / patch)."""
        tokens, grid = self._trunk(img)
        readout = self._attention if attention else self.readout
        patches, found = readout(self.layers[-1], tokens, keys and not attention,
                                 project_keys=self.fidelity == 'paper')
        features = self.proj(self.ln1(patches)).transpose(1, 2).unflatten(2, grid)
        return DenseFeatures(features, None if found is None else self.normalise_keys(found),
                             self._class_token(tokens) if image else None)

    def encode_image(self, img: Tensor) -> Tensor:
        """See :meth:`ClipBackbone.encode_image`; the last block returns one token only."""
        return self._class_token(self._trunk(img)[0])

    def _class_token(self, tokens: Tensor) -> Tensor:
        """The embedding, from the last block's input."""
        return self.proj(self.ln1(self.layers[-1](tokens, queries=1)[:, 0]))
