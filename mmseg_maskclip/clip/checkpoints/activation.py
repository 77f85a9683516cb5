"""Which activation CLIP weights were trained with, and how that is known.

QuickGELU and GELU have no weights: a file loads with either, and with the
wrong one the embeddings are off without a word.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.checkpoints.weight_files import safetensors_metadata
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.zoo import get_spec
from mmseg_maskclip.utils import InputError

_QUICK = ('quick_gelu', 'quickgelu')
# open_clip's and transformers' file names, by which their files on the hub are known.
_BESIDE = (('open_clip_', 'open_clip_config.json'), ('model', 'config.json'),
           ('pytorch_model', 'config.json'))
_DIGITS = 8


class Activation(NamedTuple):
    """An activation and how it is known.

    Attributes:
        name: ``'quick_gelu'`` or ``'gelu'``.
        reason: A phrase that starts with a preposition.
    """

    name: str
    reason: str

    @property
    def title(self) -> str:
        """The usual spelling."""
        return 'QuickGELU' if self.name == 'quick_gelu' else 'GELU'


def activation_of(checkpoint: ClipCheckpoint, spec: ClipSpec) -> Activation:
    """The activation of a file's weights.

    The file's own word goes first (entries beside its weights, metadata of
    safetensors, the config that open_clip or transformers save beside it),
    then its SHA-256 among the published ones, then the model it is used as.

    Args:
        checkpoint: The file.
        spec: The model it is used as.
    """
    if spec.weights and Path(spec.weights).resolve() == checkpoint.path.resolve():
        return Activation(spec.activation, 'as it ships with this package')
    found = _in_file(checkpoint) or _beside(checkpoint) or _by_hash(checkpoint, spec)
    if found is not None:
        return found
    return Activation(spec.activation, f'by the name of the architecture, {spec.name}, since '
                                       'neither the file nor its SHA-256 tells')


def fit_activation(checkpoint: ClipCheckpoint, spec: ClipSpec) -> ClipSpec:
    """A model with the activation its weights were trained with.

    Args:
        checkpoint: The weights.
        spec: The model they are used as.
    """
    return replace(spec, activation=activation_of(checkpoint, spec).name)


def _in_file(checkpoint: ClipCheckpoint) -> Activation | None:
    meta = checkpoint.metadata.get('meta')
    if isinstance(meta, Mapping) and isinstance(meta.get('clip'), str):
        try:
            return Activation(get_spec(meta['clip']).activation,
                              f"as the file says it is made of {meta['clip']}")
        except InputError:
            pass  # A model that was described by its sizes.
    for content in (checkpoint.metadata, safetensors_metadata(checkpoint.path)):
        for settings in _mappings(content):
            name = _said(settings)
            if name:
                return Activation(name, "by the file's own metadata")
    return None


def _beside(checkpoint: ClipCheckpoint) -> Activation | None:
    # A link into the hub's cache, where the config lies too, has a name of its own.
    file = checkpoint.path.readlink() if checkpoint.path.is_symlink() else checkpoint.path
    for start, name in _BESIDE:
        path = checkpoint.path.parent / file.with_name(name)
        if not file.name.startswith(start) or not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        for settings in _mappings(content):
            said = _said(settings)
            if said:
                return Activation(said, f'by {name} beside it')
    return None


def _by_hash(checkpoint: ClipCheckpoint, spec: ClipSpec) -> Activation | None:
    if not checkpoint.path.is_file():
        return None
    found = checkpoint.sha256
    if spec.sha256 and found.startswith(spec.sha256):
        return Activation(spec.activation, f'by its SHA-256, that of the file of {spec.name}')
    for digits, name, activation in _published().get(found[:_DIGITS], ()):
        if found.startswith(digits):
            return Activation(activation, f'by its SHA-256, that of the file of {name}')
    return None


@functools.cache
def _published() -> dict[str, list[tuple[str, str, str]]]:
    """First digits of a SHA-256 to (digits that are known, name, activation)."""
    import open_clip

    table: dict[str, list[tuple[str, str, str]]] = {}
    for architecture, tag in open_clip.list_pretrained():
        cfg = open_clip.get_pretrained_cfg(architecture, tag)
        quick = cfg.get('quick_gelu', open_clip.get_model_config(architecture).get('quick_gelu'))
        folder, _, file = (cfg.get('url') or '').rpartition('/')
        # OpenAI names a folder by the whole, others end a file's name by the first digits.
        for digits in (folder.rpartition('/')[2], file.rpartition('.')[0].rpartition('-')[2]):
            if len(digits) >= _DIGITS and not set(digits) - set('0123456789abcdef'):
                table.setdefault(digits[:_DIGITS], []).append(
                    (digits, f'{architecture}:{tag}', 'quick_gelu' if quick else 'gelu'))
    return table


def _mappings(content: Any, depth: int = 4) -> Iterator[Mapping]:
    """A mapping and those inside, also those written as JSON; an image tower's before others."""
    if isinstance(content, str) and content.startswith('{'):
        try:
            content = json.loads(content)
        except ValueError:
            return
    if not isinstance(content, Mapping) or not depth:
        return
    yield content
    for _, inner in sorted(content.items(), key=lambda item: item[0] != 'vision_config'):
        yield from _mappings(inner, depth - 1)


def _said(settings: Mapping) -> Optional[str]:
    """The activation that settings name; None where they name none of the two."""
    if 'quick_gelu' in settings:
        return 'quick_gelu' if str(settings['quick_gelu']).lower() == 'true' else 'gelu'
    if 'vision_cfg' in settings and 'text_cfg' in settings:
        return 'gelu'  # open_clip's default
    said = str(settings.get('hidden_act')).lower()
    if said in _QUICK:
        return 'quick_gelu'
    return 'gelu' if said == 'gelu' else None
