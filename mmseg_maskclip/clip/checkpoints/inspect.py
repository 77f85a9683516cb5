"""Checkpoint inspection: sizes of CLIP towers, inferred from the shapes of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from torch import Tensor

from mmseg_maskclip.clip.spec import ClipSpec

_STAGES = (1, 2, 3, 4)


@dataclass(frozen=True)
class TowerSizes:
    """Sizes of an image tower; None where the file lacks the weight that shows it.

    Attributes:
        kind: ``'vit'`` or ``'resnet'``.
        width: Channels (ResNet: of the stem).
        layers: Blocks, or the blocks of the four stages.
        patch_size: Side of a patch in pixels; None for a ResNet.
        embed_dim: D, width of the joint space.
        positions: Rows of the position table, class or mean token included.
        hidden: Hidden channels of a ViT's MLP; None for a ResNet.
    """

    kind: str
    width: int
    layers: Union[int, tuple[int, ...]]
    patch_size: Optional[int]
    embed_dim: Optional[int]
    positions: Optional[int]
    hidden: Optional[int]

    def __str__(self) -> str:
        if self.kind == 'vit':
            return (f'a ViT of width {self.width}, {self.layers} layers, '
                    f'patch {self.patch_size}')
        return f'a ModifiedResNet of width {self.width}, layers {self.layers}'

    def mismatches(self, spec: ClipSpec) -> list[str]:
        """How the tower differs from a model; empty if it fits.

        Args:
            spec: The model.
        """
        if self.kind != spec.kind:
            return [f'kind is {self.kind}, expected {spec.kind}']
        expected: dict[str, Any] = {
            'width': spec.width, 'layers': spec.layers, 'embed_dim': spec.embed_dim,
            'positions': spec.grid ** 2 + 1}
        if spec.kind == 'vit':
            expected['patch_size'] = spec.patch_size
            expected['hidden'] = int(spec.width * spec.mlp_ratio)
        return _compare(self, expected)


@dataclass(frozen=True)
class TextSizes:
    """Sizes of a text tower.

    Attributes:
        width: Channels.
        layers: Blocks.
        context_length: Rows of the position table.
        embed_dim: D, width of the joint space.
    """

    width: int
    layers: int
    context_length: int
    embed_dim: int

    def mismatches(self, spec: ClipSpec) -> list[str]:
        """How the tower differs from a model; empty if it fits.

        Args:
            spec: The model.
        """
        expected = {'width': spec.text.width, 'layers': spec.text.layers,
                    'context_length': spec.text.context_length, 'embed_dim': spec.embed_dim}
        return [f'text tower: {difference}' for difference in _compare(self, expected)]


def visual_sizes(visual: Mapping[str, Tensor]) -> TowerSizes:
    """Sizes of an image tower.

    Args:
        visual: Weights under backbone names.

    Raises:
        KeyError: If a weight every such tower has is missing.
    """
    if 'cls_token' in visual:
        patches = visual['patch_embed.projection.weight']
        return TowerSizes(
            'vit', patches.shape[0], _count(visual, 'layers.'), patches.shape[-1],
            _rows(visual.get('proj.weight')), visual['pos_embed'].shape[1],
            visual['layers.0.ffn.layers.0.0.weight'].shape[0])
    table = visual.get('attnpool.positional_embedding')
    return TowerSizes(
        'resnet', visual['stem.6.weight'].shape[0],
        tuple(_count(visual, f'layer{stage}.') for stage in _STAGES), None,
        _rows(visual.get('attnpool.c_proj.weight')), _rows(table), None)


def text_sizes(text: Mapping[str, Tensor]) -> TextSizes:
    """Sizes of a text tower.

    Args:
        text: Weights under the names of open_clip's ``TextTransformer``.

    Raises:
        KeyError: If a weight every such tower has is missing.
    """
    return TextSizes(
        text['ln_final.weight'].shape[0], _count(text, 'transformer.resblocks.'),
        text['positional_embedding'].shape[0], text['text_projection'].shape[1])


def _count(state: Mapping[str, Any], prefix: str) -> int:
    """Number of blocks whose weights start with ``prefix``."""
    return len({key[len(prefix):].split('.')[0] for key in state if key.startswith(prefix)})


def _rows(weight: Tensor | None) -> int | None:
    return None if weight is None else weight.shape[0]


def _compare(sizes: Any, expected: Mapping[str, Any]) -> list[str]:
    """Differences in the sizes that are known."""
    return [f'{key} is {getattr(sizes, key)}, expected {value}'
            for key, value in expected.items() if getattr(sizes, key) not in (None, value)]
