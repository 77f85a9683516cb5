"""CLIP's ModifiedResNet with a dense attention pool (MaskCLIP, Sec. 3.2)."""

from __future__ import annotations

from typing import Any, Sequence, cast

import torch
import torch.nn.functional as F
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from mmseg_maskclip.models.backbones.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipBackbone,
    DenseFeatures,
    Feedback,
)
from mmseg_maskclip.models.backbones.folding import folded, joined
from mmseg_maskclip.models.backbones.readouts import READOUTS, Readout
from mmseg_maskclip.utils import InputError

STRIDE = 32
EXPANSION = 4


class Bottleneck(nn.Module):
    """Residual block that strides by average pooling, never by convolution."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = channels * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, 4 * channels, H // stride, W // stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.pool(self.relu(self.bn2(self.conv2(x))))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class AttentionPool(nn.Module):
    """CLIP's attention pool, whose projections can be used separately.

    Args:
        positions: Grid positions n * n of the native image size.
        width: Channels C of the feature map.
        heads: Number of heads.
        embed_dim: Output width D.

    Attributes:
        has_positions: False if the weights came without the position table
            (all zeros), as files of earlier converters do.
    """

    def __init__(self, positions: int, width: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.has_positions = True
        self.positional_embedding = nn.Parameter(
            torch.randn(positions + 1, width) * width ** -0.5)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed_dim)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        table = state_dict.get(f'{prefix}positional_embedding')
        if table is not None:
            self.has_positions = bool(table.any())
        super()._load_from_state_dict(state_dict, prefix, *args)

    def value(self, x: Tensor) -> Tensor:
        """c(v(x)), a position's output without attention, (B, L, C) to (B, L, D)."""
        return self.c_proj(self.v_proj(x))

    def forward(self, tokens: Tensor, queries: int | None = None) -> Tensor:
        """Attend over all tokens.

        Args:
            tokens: (B, N, C), the mean token first.
            queries: Number of leading tokens to return; None for all.

        Returns:
            (B, N or queries, D).
        """
        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            split(self.q_proj(tokens[:, :queries])), split(self.k_proj(tokens)),
            split(self.v_proj(tokens)))
        return self.c_proj(mixed.transpose(1, 2).flatten(2))


def _stem(width: int) -> nn.Sequential:
    """Three 3x3 convolutions and an average pool: stride 4, ``width`` channels."""
    half = width // 2
    layers: list[nn.Module] = []
    for channels_in, channels, stride in ((3, half, 2), (half, half, 1), (half, width, 1)):
        layers += [nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False),
                   nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AvgPool2d(2))


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(channels_in, channels, stride)
    rest = [Bottleneck(channels * EXPANSION, channels, 1) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


@BACKBONES.register_module()
class ClipResNet(ClipBackbone):
    """CLIP ModifiedResNet; the attention pool is read densely as v then c.

    Parameter names are those of the published MaskCLIP backbones, plus
    ``attnpool``. The output stride is 32.

    Args:
        arch: Name of a CLIP ResNet, or a dict of sizes.
        fidelity: ``'paper'`` or ``'clip'``, see :class:`ClipBackbone`.
        input_mean: Mean the pipeline subtracts, per RGB channel, 0..255.
        input_std: Standard deviation the pipeline divides by.
        frozen: Whether the tower stays in eval mode without gradients.
        readout: Config of a read-out of the attention pool, ``AddedValueReadout`` alone: the
            others are ways to read a ViT. None is MaskCLIP's, the values.
        init_cfg: As in mmcv.

    Raises:
        InputError: If the read-out is one of a ViT, or as :class:`ClipBackbone`.
    """

    kind = 'resnet'

    def __init__(self, arch: str | dict = 'RN50', fidelity: str = 'paper',
                 input_mean: Sequence[float] = IMAGENET_MEAN,
                 input_std: Sequence[float] = IMAGENET_STD, frozen: bool = True,
                 readout: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(arch, fidelity, input_mean, input_std, frozen, init_cfg=init_cfg)
        self.readout: Readout | None = None if readout is None else READOUTS.build(readout)
        if self.readout is not None and not self.readout.reads_pool:
            raise InputError(f"a ResNet of CLIP has no blocks for the read-out {readout!r}, its "
                             'attention pool is read: leave model.backbone.readout out, or take '
                             "a ViT, such as arch='ViT-B/16' with type='ClipViT'.")
        spec = self.spec
        self.stem = _stem(spec.width)
        channels_in = spec.width
        # The base class has refused the spec of a ViT, whose layers are one number.
        for index, blocks in enumerate(cast('tuple[int, ...]', spec.layers)):
            channels = spec.width * 2 ** index
            stage = _stage(channels_in, channels, blocks, 1 if index == 0 else 2)
            # As the published backbone files name the stages.
            self.add_module(f'layer{index + 1}', stage)
            channels_in = channels * EXPANSION
        self.attnpool = AttentionPool((spec.image_size // STRIDE) ** 2, channels_in,
                                      spec.heads, spec.embed_dim)
        self.freeze()

    @property
    def encodes_images(self) -> bool:
        """See :class:`ClipBackbone`; earlier converted files lack the position table."""
        return self.attnpool.has_positions

    def forget(self) -> None:
        """See :class:`ClipBackbone`; also the folded trunk, and v and c as one."""
        super().forget()
        self._folded: tuple[nn.Module, ...] = ()
        self._value: tuple[Tensor, ...] = ()

    @property
    def _trunk(self) -> nn.Module:
        """Stem and stages; folded while frozen."""
        if not self.frozen:
            return self._stages()
        if not self._folded:
            # In a tuple it is not a submodule: files and checkpoints keep the published names.
            self._folded = (folded(self._stages()),)
        return self._folded[0]

    def _stages(self) -> nn.Sequential:
        return nn.Sequential(self.stem, self.layer1, self.layer2, self.layer3, self.layer4)

    def _values(self, tokens: Tensor) -> Tensor:
        """c(v(x)) of tokens, (B, L, D); while frozen as one product."""
        if not self.frozen:
            return self.attnpool.value(tokens)
        if not self._value:
            self._value = joined(self.attnpool.v_proj, self.attnpool.c_proj)
        return F.linear(tokens, *self._value)

    def _map(self, img: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The stage-4 map as tokens, (B, h*w, C), and the grid (h, w)."""
        img = self.normalise(img)
        bottom, right = (max(STRIDE - size, 0) for size in img.shape[2:])
        if bottom or right:
            # A side below the stride would leave no position; zeros are the mean colour.
            img = F.pad(img, (0, right, 0, bottom))
        if self.frozen:
            img = img.contiguous(memory_format=torch.channels_last)
        x = self._trunk(img)
        # Channels last, tokens are there already.
        return x.permute(0, 2, 3, 1).flatten(1, 2), (x.shape[2], x.shape[3])

    def _with_mean(self, tokens: Tensor, grid: tuple[int, int], positions: bool) -> Tensor:
        """The pool's input: the mean token first, positions added or not."""
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        if positions:
            if not self.attnpool.has_positions:
                raise InputError('the weights lack the position table of the attention '
                                 "pool, which CLIP's ordinary forward needs: load the original "
                                 'CLIP file instead of a *_clip_backbone.pth.')
            tokens = tokens + self.positions(self.attnpool.positional_embedding, grid).to(tokens)
        return tokens

    def dense(self, img: Tensor, keys: bool = False, attention: bool = False,
              image: bool = False, feedback: Feedback | None = None) -> DenseFeatures:
        """See :meth:`ClipBackbone.dense`; there is no feedback.

        With ``attention`` every position queries the pool; ``paper`` fidelity
        drops the position table there, as the official option does.
        """
        tokens, grid = self._map(img)
        embedding = self._embedding(tokens, grid) if image else None
        if attention:
            pooled = self.attnpool(self._with_mean(tokens, grid, self.fidelity == 'clip'))
            return DenseFeatures(pooled[:, 1:].transpose(1, 2).unflatten(2, grid), None, embedding)
        readout = self.readout
        if readout is None:
            # Without attention neither the mean token nor the position table comes in (MaskCLIP,
            # Sec. 3.2).
            features = self._values(tokens)
        else:
            features = readout.read_pool(self.attnpool, self._with_mean(tokens, grid, True))
        found = self.normalise_keys(self.attnpool.k_proj(tokens)) if keys else None
        return DenseFeatures(features.transpose(1, 2).unflatten(2, grid), found, embedding,
                             readout is not None and not readout.unit_features)

    def encode_image(self, img: Tensor) -> Tensor:
        """See :meth:`ClipBackbone.encode_image`; only the mean token queries the pool."""
        return self._embedding(*self._map(img))

    def _embedding(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        return self.attnpool(self._with_mean(tokens, grid, positions=True), queries=1)[:, 0]
