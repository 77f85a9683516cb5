"""The one reader of CLIP checkpoints, in any form they are distributed in."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from torch import Tensor

from mmseg_maskclip.clip.checkpoints.content import (
    TEACHER,
    CheckpointContent,
    CheckpointKind,
    read_checkpoint_file,
    strip_prefix,
)
from mmseg_maskclip.clip.checkpoints.inspect import TowerSizes, text_sizes, visual_sizes
from mmseg_maskclip.clip.checkpoints.keys import as_matrix, openai_to_backbone
from mmseg_maskclip.clip.checkpoints.transformers_keys import (
    is_transformers,
    transformers_to_openai,
)
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.zoo import get_spec, how_to_get, list_models
from mmseg_maskclip.utils import InputError, sha256_of

_MAKE = 'Run: bash download_weights.sh MODEL (see --help).'
_TEXT = ('token_embedding.', 'positional_embedding', 'transformer.resblocks.', 'ln_final.',
         'text_projection')
_NO_WEIGHTS = {'input_resolution', 'context_length', 'vocab_size', 'logit_scale', 'logit_bias',
               'attn_mask', 'text.attn_mask'}
_PROJECTIONS = ('k_proj', 'q_proj', 'v_proj', 'c_proj')
# Every image tower under backbone names has one of these.
_OWN_STARTS = ('cls_token', 'stem.0.weight')
_MATRIX = re.compile(r'^proj\.weight$|^attnpool\.[kqvc]_proj\.weight$|^text_projection$')


@dataclass
class ClipCheckpoint:
    """Weights of a CLIP model under this project's names, all float32.

    Attributes:
        path: The file.
        form: The form of the file in words, e.g. ``'TorchScript archive'``.
        visual: Image tower under backbone names (see ``keys``). The
            projection into the joint space, or the position table of a
            ResNet's attention pool, may be absent in earlier converted files.
        text: Text tower under the names of open_clip's ``TextTransformer``;
            empty where the file has none.
        token_ids: Ids of the token rows the file holds, (T,), sorted; None
            where it holds all.
        metadata: What it holds beside weights, by name.
        tower: Sizes of the image tower, inferred from shapes.
        text_tower: Sizes of the text tower, or None.
    """

    path: Path
    form: str
    visual: dict[str, Tensor]
    text: dict[str, Tensor] = field(default_factory=dict)
    token_ids: Optional[Tensor] = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tower: TowerSizes = visual_sizes(self.visual)
        self.text_tower = text_sizes(self.text) if self.text else None

    @property
    def kind(self) -> str:
        """``'vit'`` or ``'resnet'``."""
        return self.tower.kind

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, computed when first asked for."""
        return sha256_of(self.path)

    def mismatches(self, spec: ClipSpec) -> list[str]:
        """How the weights differ from a model, one phrase each; empty if they fit.

        Args:
            spec: The model they are meant for.
        """
        found = self.tower.mismatches(spec)
        if self.text_tower is not None and not found:
            found = self.text_tower.mismatches(spec)
        return found

    def check(self, spec: ClipSpec) -> ClipCheckpoint:
        """Return self if the weights are those of ``spec``'s architecture.

        Args:
            spec: The model they are meant for.

        Raises:
            InputError: If they differ in kind, width, depth, patch or other sizes.
        """
        found = self.mismatches(spec)
        if found:
            fitting = self.identify()
            seems = f' (it fits {" and ".join(fitting)})' if fitting else ''
            raise InputError(
                f'CLIP checkpoint {self.path} holds {self.tower}{seems}, expected {spec.name}: '
                f'{"; ".join(found)}. {how_to_get(spec)}')
        return self

    def identify(self) -> list[str]:
        """Names of the known models these weights fit."""
        return [name for name in list_models() if not self.mismatches(get_spec(name))]


def read_clip_checkpoint(path: str | Path, fix: str = _MAKE) -> ClipCheckpoint:
    """Read a CLIP checkpoint of any form, see :func:`clip_checkpoint_from`.

    Args:
        path: The file.
        fix: The command that makes it, appended to errors.

    Raises:
        InputError: If it is missing, damaged, or not a CLIP checkpoint.
    """
    return clip_checkpoint_from(read_checkpoint_file(path, fix, 'CLIP checkpoint'), fix)


def clip_checkpoint_from(content: CheckpointContent, fix: str = _MAKE) -> ClipCheckpoint:
    """The CLIP weights in a checkpoint that was read already.

    Known are OpenAI's TorchScript archives; state dicts of OpenAI's, open_clip's
    and transformers' models (``.pt``, ``.bin``, ``.safetensors``; plain or wrapped);
    the earlier ``{MODEL}_clip_backbone.pth`` and ``{MODEL}_clip_weights.pth``;
    the frozen teacher inside a MaskCLIP+ checkpoint of the official code; the
    state dict of a :class:`~mmseg_maskclip.apis.maskclip_package.DualEncoder`; and
    the embedded tiny files, which keep the token rows in use alone.

    Args:
        content: From :func:`read_checkpoint_file`.
        fix: The command that makes such a file, appended to errors.

    Raises:
        InputError: If it holds no CLIP model, or one of unknown names.
    """
    path, state = content.path, dict(content.state)
    if _is_weights_file(content.raw):
        return _checked(content, 'earlier weights file', _from_weights_file(content.raw), {}, None,
                        fix)
    if content.kind is CheckpointKind.SEGMENTOR_WITH_TEACHER:
        return _checked(content, 'teacher in an official MaskCLIP+ checkpoint',
                        _from_official_student(state), {}, None, fix)
    _refuse_other_models(content, fix)
    token_ids = state.pop('token_ids', None)
    text: dict[str, Tensor] = {}
    if any(key.startswith('backbone.') for key in state):
        form, visual = 'earlier backbone file', strip_prefix(state, 'backbone.')
    else:
        form = ('TorchScript archive' if content.torchscript else
                'state dict of transformers' if is_transformers(state) else 'state dict')
        visual, text = _split_towers(path, state)
    if token_ids is not None:
        form = 'embedded file'
    return _checked(content, form, visual, text, token_ids, fix)


def _refuse_other_models(content: CheckpointContent, fix: str) -> None:
    path = content.path
    if content.kind is CheckpointKind.SEGMENTOR:
        raise InputError(
            f'{path} is the checkpoint of a trained segmentor, not of a CLIP model: test it with '
            f'the config it was trained with. For a CLIP model, {fix[:1].lower() + fix[1:]}')


def _split_towers(path: Path, state: Mapping[str, Tensor]) -> tuple[dict, dict]:
    """OpenAI's, open_clip's and transformers' names to (image tower, text tower)."""
    try:
        if is_transformers(state):
            state = transformers_to_openai(state)
        visual = strip_prefix(state, 'visual.')
        if any(key.startswith('trunk.') for key in visual):
            raise InputError('it has a timm image tower (visual.trunk.*), which is not a plain ViT '
                             'or ModifiedResNet.')
        if visual and not any(key in visual for key in _OWN_STARTS):
            visual = openai_to_backbone(visual, 'vit' if 'class_embedding' in visual else 'resnet')
    except InputError as error:
        raise InputError(f'CLIP checkpoint {path} cannot be used: {error}') from error
    text = strip_prefix(state, 'text.tower.') or strip_prefix(state, 'text.') or {
        key: value for key, value in state.items() if key.startswith(_TEXT)}
    return visual, {key: value for key, value in text.items() if key not in _NO_WEIGHTS}


def _is_weights_file(raw: Mapping[str, Any]) -> bool:
    """Whether projections stand beside ``clip``, which may else wrap any other form."""
    return isinstance(raw.get('clip'), Mapping) and any(
        isinstance(raw.get(name), Mapping) for name in ('proj', *_PROJECTIONS))


def _from_weights_file(content: Mapping[str, Any]) -> dict:
    """``{proj | k_proj, q_proj, v_proj, c_proj, clip}`` to the image tower."""
    clip = content['clip']
    visual = strip_prefix(clip, 'backbone.') or dict(clip)
    if any(key.startswith('visual.') for key in visual):
        inner = strip_prefix(visual, 'visual.')
        visual = openai_to_backbone(inner, 'vit' if 'class_embedding' in inner else 'resnet')
    for name, prefix in [('proj', 'proj')] + [(p, f'attnpool.{p}') for p in _PROJECTIONS]:
        for key, value in content.get(name, {}).items():
            visual[f'{prefix}.{key}'] = value
    return visual


def _from_official_student(state: Mapping[str, Tensor]) -> dict:
    """The teacher's image tower and projections in a student's checkpoint."""
    visual = strip_prefix(state, TEACHER)
    for name, prefix in [('proj', 'proj')] + [(p, f'attnpool.{p}') for p in _PROJECTIONS]:
        for key, value in strip_prefix(state, f'decode_head.{name}.').items():
            visual[f'{prefix}.{key}'] = value
    return visual


def _checked(content: CheckpointContent, form: str, visual: dict, text: dict,
             token_ids: Tensor | None, fix: str) -> ClipCheckpoint:
    path = content.path
    if not any(key in visual for key in _OWN_STARTS):
        raise InputError(
            f'CLIP checkpoint {path} holds no weight of a CLIP image tower (first keys: '
            f'{content.first_keys}; expected visual.* or backbone.*). {fix}')
    try:
        return ClipCheckpoint(path, form, _plain(visual), _plain(text), token_ids,
                              content.metadata)
    except KeyError as error:
        raise InputError(f'CLIP checkpoint {path} is incomplete: the weight {error} is '
                         f'missing. {fix}') from error


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in float32 (published files are in half precision), matrices as such."""
    return {key: as_matrix(found) if _MATRIX.search(key) else found
            for key, value in state.items()
            for found in [value.float() if value.is_floating_point() else value]}
