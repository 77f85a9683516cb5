"""Sizes and training settings of a CLIP model, one frozen record per model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Optional, Union

from mmseg_maskclip.utils import InputError, require_number

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
"""RGB statistics of OpenAI's preprocessing; stated, since importing open_clip takes seconds."""
KINDS = ('vit', 'resnet')
ACTIVATIONS = ('quick_gelu', 'gelu')
_STAGES = 4
_COUNTS = ('image_size', 'width', 'heads', 'embed_dim')
_TEXT_COUNTS = ('width', 'heads', 'layers', 'context_length', 'vocab_size')
_FACTORS = ('ln_eps', 'mlp_ratio')


@dataclass(frozen=True)
class TextSpec:
    """Sizes of a CLIP text tower.

    Attributes:
        width: Channels of the transformer.
        heads: Attention heads.
        layers: Transformer blocks.
        context_length: Tokens a prompt may have, start and end included.
        vocab_size: Rows of the token table.
        mlp_ratio: Hidden channels of a block's MLP over ``width``.
        ln_eps: Epsilon of every LayerNorm.
    """

    width: int = 512
    heads: int = 8
    layers: int = 12
    context_length: int = 77
    vocab_size: int = 49408
    mlp_ratio: float = 4.0
    ln_eps: float = 1e-5


@dataclass(frozen=True)
class ClipSpec:
    """Sizes and training settings of a CLIP model.

    Attributes:
        name: Full name, e.g. ``'ViT-B/16'``.
        short_name: Name used in file names, e.g. ``'ViT16'``.
        kind: Image tower, ``'vit'`` or ``'resnet'`` (ModifiedResNet).
        image_size: Side of the square images it was trained on, in pixels.
        width: Channels of the image tower (ResNet: of the stem).
        layers: Transformer blocks, or the blocks of the four ResNet stages.
        heads: Attention heads of the image tower (ResNet: of the attention pool).
        patch_size: Side of a patch in pixels; None for a ResNet.
        embed_dim: D, the width of the joint image-text space.
        activation: What it was trained with, ``'quick_gelu'`` or ``'gelu'``.
        ln_eps: Epsilon of every LayerNorm of the image tower.
        mlp_ratio: Hidden channels of a ViT block's MLP over ``width``.
        mean: RGB mean of its training images, 0..1.
        std: RGB standard deviation of its training images, 0..1.
        text: Sizes of the text tower.
        open_clip_name: Architecture name in open_clip, or None.
        filename: Usual name of its weights file, or None.
        url: Where that file is published, or None.
        hub: Where it lies on the Hugging Face hub, ``{owner}/{model}/{file}``
            (the file may be empty, for open_clip's usual names), or None.
        sha256: SHA-256 of that file (or its first digits where only those are
            published), or None.
        weights: Path of weights that ship with this package, or None.
    """

    name: str
    short_name: str
    kind: str
    image_size: int
    width: int
    layers: Union[int, tuple[int, int, int, int]]
    heads: int
    patch_size: Optional[int]
    embed_dim: int
    activation: str = 'quick_gelu'
    ln_eps: float = 1e-5
    mlp_ratio: float = 4.0
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    text: TextSpec = TextSpec()
    open_clip_name: Optional[str] = None
    filename: Optional[str] = None
    url: Optional[str] = None
    hub: Optional[str] = None
    sha256: Optional[str] = None
    weights: Optional[str] = None

    @property
    def grid(self) -> int:
        """Positions along one side at ``image_size``."""
        # A ModifiedResNet halves the size five times: 32 pixels a position.
        return self.image_size // (self.patch_size or 32)


def make_spec(**sizes: Any) -> ClipSpec:
    """A :class:`ClipSpec` from a few sizes, the rest filled in.

    Args:
        **sizes: Attributes of :class:`ClipSpec`. ``width`` and ``layers`` are
            required; ``kind`` defaults to ``'vit'``, ``patch_size`` to 16,
            ``image_size`` to 224, ``embed_dim`` to 512, ``heads`` to one per
            64 channels (of 32 x ``width`` for a ResNet). ``text`` may be a
            dict of :class:`TextSpec` attributes.

    Raises:
        InputError: If an attribute is unknown, missing, or does not fit.
    """
    known = {field.name for field in fields(ClipSpec)}
    unknown = sorted(set(sizes) - known)
    if unknown:
        raise InputError(f'unknown size of a CLIP model: {", ".join(unknown)}; '
                         f'expected some of {", ".join(sorted(known))}.')
    missing = [key for key in ('width', 'layers') if key not in sizes]
    if missing:
        raise InputError(f'the sizes of a CLIP model lack {" and ".join(missing)}, '
                         f'got {sizes}.')
    filled = {'kind': 'vit', 'image_size': 224, 'embed_dim': 512, 'name': 'custom', **sizes}
    _fill_tower(filled)
    filled.setdefault('short_name', filled['name'].replace('/', '-'))
    for key in ('mean', 'std'):
        if key in filled:
            filled[key] = tuple(filled[key])
    if isinstance(filled.get('text'), Mapping):
        filled['text'] = _text_spec(filled['text'])
    if not isinstance(filled.get('text', TextSpec()), TextSpec):
        raise InputError(f"text of a CLIP model is {filled['text']!r}, expected a dict of sizes.")
    spec = ClipSpec(**filled)
    _check(spec)
    return spec


def _fill_tower(filled: dict) -> None:
    resnet = filled['kind'] == 'resnet'
    require_number(filled['width'], 'width of a CLIP model', minimum=1, whole=True)
    filled.setdefault('patch_size', None if resnet else 16)
    filled.setdefault('heads', max(filled['width'] * (32 if resnet else 1) // 64, 1))
    if isinstance(filled['layers'], list):
        filled['layers'] = tuple(filled['layers'])


def _text_spec(sizes: Mapping[str, Any]) -> TextSpec:
    known = {field.name for field in fields(TextSpec)}
    unknown = sorted(set(sizes) - known)
    if unknown:
        raise InputError(f'unknown size of a CLIP text tower: {", ".join(unknown)}; '
                         f'expected some of {", ".join(sorted(known))}.')
    return TextSpec(**sizes)


def _check(spec: ClipSpec) -> None:
    """Refuse sizes no tower can be built from."""
    if spec.kind not in KINDS:
        raise InputError(f"kind of a CLIP image tower is '{spec.kind}', "
                         f'expected one of {KINDS}.')
    if spec.activation not in ACTIVATIONS:
        raise InputError(f"activation of a CLIP model is '{spec.activation}', "
                         f'expected one of {ACTIVATIONS}.')
    _check_numbers(spec, 'a CLIP model', _COUNTS)
    _check_numbers(spec.text, 'a CLIP text tower', _TEXT_COUNTS)
    resnet = spec.kind == 'resnet'
    counts = spec.layers if isinstance(spec.layers, tuple) else (spec.layers,)
    if isinstance(spec.layers, tuple) != resnet or len(counts) != (_STAGES if resnet else 1):
        raise InputError(f'layers of a CLIP {spec.kind} are {spec.layers}, expected one number '
                         'for a vit and four for a resnet.')
    for count in counts:
        require_number(count, f'layers of a CLIP {spec.kind}', minimum=1, whole=True)
    channels = spec.width * (32 if resnet else 1)
    if channels % spec.heads:
        raise InputError(f'{channels} channels of a CLIP {spec.kind} cannot be split '
                         f'into {spec.heads} heads.')
    if not resnet:
        require_number(spec.patch_size, 'patch_size of a CLIP vit', minimum=1, whole=True)


def _check_numbers(sizes: ClipSpec | TextSpec, what: str, counts: tuple[str, ...]) -> None:
    for key in counts:
        require_number(getattr(sizes, key), f'{key} of {what}', minimum=1, whole=True)
    for key in _FACTORS:
        require_number(getattr(sizes, key), f'{key} of {what}', above=0)
