"""CLIP's Vision Transformer, read densely (MaskCLIP, Sec. 3.2)."""

from __future__ import annotations

from typing import Sequence, cast

import torch
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from mmseg_maskclip.models.backbones.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipBackbone,
    DenseFeatures,
    Feedback,
    QuickGELU,
)
from mmseg_maskclip.models.backbones.readouts import (
    READOUTS,
    AttentionReadout,
    Guide,
    Readout,
    Trace,
)
from mmseg_maskclip.models.backbones.transformer import (
    Block,
    FeedForward,
    PatchEmbed,
    SelfAttention,
)
from mmseg_maskclip.ops import resize_positions
from mmseg_maskclip.utils import InputError

# The official code runs CLIP's weights in mmseg's ViT, with its eps and its exact GELU.
PAPER_LN_EPS = 1e-6
MASKCLIP_READOUT = {'type': 'AttentionReadout', 'pairs': 'v'}


@BACKBONES.register_module()
class ClipViT(ClipBackbone):
    """CLIP ViT, read densely through a replaceable read-out.

    Parameter names are those of the published MaskCLIP backbones, plus
    ``proj.weight`` (D, C).

    Args:
        arch: Name of a CLIP ViT, or a dict of sizes.
        fidelity: ``'paper'`` or ``'clip'``, see :class:`ClipBackbone`.
        readout: Config of the read-out; None is MaskCLIP's, the values of the last block.
        positions: How the position table is resized to another grid, see
            :func:`~mmseg_maskclip.ops.resize_positions`.
        pad: What happens to images whose sides are no multiples of the patch,
            see :class:`PatchEmbed`.
        stored_grid: (h, w) to which the position table is resized when CLIP's weights are
            loaded, by ``positions``; to other grids it is then resized from there, as
            ZegCLIP does. None keeps the table as it is.
        renormalise: See :class:`ClipBackbone`.
        double_class_token: Add the class embedding twice, as ZegCLIP does.
        input_mean: Mean the pipeline subtracts, per RGB channel, 0..255.
        input_std: Standard deviation the pipeline divides by.
        frozen: Whether the tower stays in eval mode without gradients.
        init_cfg: As in mmcv.

    Raises:
        InputError: On unknown settings, or a read-out of blocks that the tower does not have.
    """

    kind = 'vit'

    def __init__(self, arch: str | dict = 'ViT-B/16', fidelity: str = 'paper',
                 readout: dict | None = None, input_mean: Sequence[float] = IMAGENET_MEAN,
                 input_std: Sequence[float] = IMAGENET_STD, frozen: bool = True,
                 positions: str = 'size', pad: str = 'corner',
                 stored_grid: tuple[int, int] | None = None, renormalise: bool = True,
                 double_class_token: bool = False, init_cfg: dict | None = None) -> None:
        super().__init__(arch, fidelity, input_mean, input_std, frozen, positions, init_cfg,
                         renormalise)
        self.double_class_token = double_class_token
        spec = self.spec
        # Of the right kind of tower, so these are set: the base class has checked it.
        patch_size, layers = cast(int, spec.patch_size), cast(int, spec.layers)
        eps = PAPER_LN_EPS if fidelity == 'paper' else spec.ln_eps
        self.patch_embed = PatchEmbed(patch_size, spec.width, pad)
        if stored_grid is not None:
            self.stored_grid = _grid(stored_grid)
        height, width = self.stored_grid or (spec.grid, spec.grid)
        tokens = height * width + 1
        self.cls_token = nn.Parameter(torch.randn(1, 1, spec.width) * spec.width ** -0.5)
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, spec.width) * spec.width ** -0.5)
        self.ln0 = nn.LayerNorm(spec.width, eps=eps)
        self.layers = nn.ModuleList(
            Block(spec.width, spec.heads, round(spec.width * spec.mlp_ratio), eps,
                  self._activation())
            for _ in range(layers))
        self.ln1 = nn.LayerNorm(spec.width, eps=eps)
        self.proj = nn.Linear(spec.width, spec.embed_dim, bias=False)
        self.readout: Readout = READOUTS.build(readout or dict(MASKCLIP_READOUT))
        # For the head's attn_pooling, whatever the read-out is.
        self._attention = AttentionReadout()
        self._kept = frozenset(self.readout.inputs(layers))
        self._packed = frozenset(self.readout.projected(layers))
        self.freeze()

    def forget(self) -> None:
        """See :class:`ClipBackbone`; also the packed weights of the blocks."""
        super().forget()
        for module in self.modules():
            if isinstance(module, (SelfAttention, FeedForward)):
                module.weights.clear()

    def _activation(self) -> nn.Module:
        exact = self.fidelity == 'paper' or self.spec.activation == 'gelu'
        return nn.GELU() if exact else QuickGELU()

    def use_activation(self, name: str) -> None:
        """See :meth:`ClipBackbone.use_activation`; with ``'paper'`` the tower keeps exact GELU."""
        super().use_activation(name)
        for block in self.layers:
            cast(nn.Sequential, cast(Block, block).ffn.layers[0])[1] = self._activation()

    def fit_positions(self, table: Tensor) -> Tensor:
        """A table of CLIP's own grid, (1, 1 + n * n, C), at the grid of the stored one."""
        if self.stored_grid is None or table.shape[1] == self.pos_embed.shape[1]:
            return table
        return resize_positions(table[0], self.stored_grid, self.position_mode)[None]

    def embed(self, img: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens before the first block.

        Args:
            img: (B, 3, H, W), normalised by the pipeline.

        Returns:
            (B, 1 + h*w, C), the class token first, and the grid (h, w).
        """
        patches = self.patch_embed(self.normalise(img))
        grid = (patches.shape[2], patches.shape[3])
        # Under autocast patches are in half precision, the parameter is not.
        cls_token = self.cls_token * 2 if self.double_class_token else self.cls_token
        tokens = torch.cat([cls_token.expand(len(img), -1, -1).to(patches),
                            patches.flatten(2).transpose(1, 2)], dim=1)
        return self.ln0(tokens + self.positions(self.pos_embed[0], grid)), grid

    def score_padding(self, size: int) -> tuple[int, int]:
        """See :meth:`ClipBackbone.score_padding`: centred padding is cropped off the scores."""
        return self.patch_embed.padding(size) if self.patch_embed.pad == 'centre' else (0, 0)

    def trace(self, img: Tensor) -> Trace:
        """Run all blocks but the last, and keep what the read-out asks for.

        Args:
            img: (B, 3, H, W), normalised by the pipeline.

        Returns:
            What read-outs and :meth:`encode_image` start from.
        """
        tokens, grid = self.embed(img)
        inputs, packed = {}, {}
        for number, layer in enumerate(self.layers[:-1], 1):
            block = cast(Block, layer)
            if number in self._kept:
                inputs[number] = tokens
            if number in self._packed:
                packed[number] = block.attn.pack(block.ln1(tokens))
            tokens = block(tokens, packed=packed.get(number))
        inputs[len(self.layers)] = tokens
        return Trace(self.layers, inputs, grid, packed=packed)

    def read(self, trace: Trace, guide: Guide | None = None, attention: bool = False) -> Tensor:
        """Read dense features from a trace.

        Args:
            trace: Output of :meth:`trace`.
            guide: What an earlier read-out of this trace found, see :class:`Guide`.
            attention: Read CLIP's own last block instead of the read-out.

        Returns:
            Projected patch features, (B, D, h, w), not normalised.
        """
        patches = self._attention(trace) if attention else self.readout(trace, guide)
        if attention or self.readout.final_norm:
            patches = self.ln1(patches)
        return self.proj(patches).transpose(1, 2).unflatten(2, trace.grid)

    def dense(self, img: Tensor, keys: bool = False, attention: bool = False,
              image: bool = False, feedback: Feedback | None = None) -> DenseFeatures:
        """See :meth:`ClipBackbone.dense`; for the grid see :class:`PatchEmbed`."""
        trace = self.trace(img)
        features = self.read(trace, attention=attention)
        if feedback is not None:
            features = self.read(trace, feedback(features))
        return DenseFeatures(features,
                             self._keys(trace) if keys and not attention else None,
                             self._class_token(trace) if image else None,
                             not (attention or self.readout.unit_features))

    def encode_image(self, img: Tensor) -> Tensor:
        """See :meth:`ClipBackbone.encode_image`; the last block returns one token only."""
        return self._class_token(self.trace(img))

    def _keys(self, trace: Trace) -> Tensor:
        """Keys of the last block for key smoothing, whatever the read-out is."""
        block = trace.block(trace.depth)
        keys = block.attn.key(block.ln1(trace.patches(trace.depth)), self.fidelity == 'paper')
        return self.normalise_keys(keys)

    def _class_token(self, trace: Trace) -> Tensor:
        """The image embedding, from the last block's input."""
        last = trace.depth
        return self.proj(self.ln1(trace.block(last)(trace.inputs[last], queries=1)[:, 0]))


def _grid(pair: Sequence[int]) -> tuple[int, int]:
    whole = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(
        isinstance(side, int) and side > 0 for side in pair)
    if not whole:
        raise InputError(f'stored_grid is {pair!r}, expected (h, w) in patches, such as (32, 32).')
    return pair[0], pair[1]
