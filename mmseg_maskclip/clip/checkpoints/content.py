"""The content of a checkpoint and the kind of model it is of; a file is deserialised once."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mmseg_maskclip.clip.checkpoints.weight_files import read_weights_file
from mmseg_maskclip.utils import InputError

TEACHER = 'decode_head.clip.'
_HEAD = 'decode_head.'
_WRAPPERS = ('state_dict', 'model_state_dict', 'model')
# torch.compile and DDP may wrap each other, in either order.
_PREFIXES = ('_orig_mod.', 'module.', '_orig_mod.')
_ROOTS = (_HEAD, 'visual.', 'vision_model.', 'text_model.', 'backbone.')
# Where a model starts in a dotted name: a segmentor (which may hold a CLIP), then CLIP in the names
# of OpenAI, of transformers and of the published MaskCLIP backbones.
_STARTS = tuple(re.compile(rf'(|.*?\.){start}') for start in (
    r'decode_head\.', r'visual\.(?:conv1|trunk)\.', r'vision_model\.embeddings\.',
    r'backbone\.(?:cls_token$|stem\.0\.)'))
_SHOWN = 3


class CheckpointKind(enum.Enum):
    """The kind of model a checkpoint is of, by the names of its parameters."""

    CLIP = 'CLIP model'
    """Anything without a decode head; whether it is CLIP shows when it is read as that."""
    SEGMENTOR = 'segmentor'
    """A model of mmsegmentation, such as a trained MaskCLIP+ student."""
    SEGMENTOR_WITH_TEACHER = 'segmentor with its frozen CLIP teacher'
    """A MaskCLIP+ student as the official code saves it."""


@dataclass(frozen=True)
class CheckpointContent:
    """The deserialised content of a checkpoint.

    Attributes:
        path: The file.
        raw: The outermost dict of the file.
        torchscript: Whether the file is a TorchScript archive.
    """

    path: Path
    raw: Mapping[str, Any]
    torchscript: bool = False

    @functools.cached_property
    def state(self) -> Mapping[str, Tensor]:
        """Its tensors by name, free of wrapping dicts and prefixes, whatever they are called.

        Raises:
            InputError: If several models are wrapped side by side.
        """
        content = self.raw
        for wrapper in _WRAPPERS:
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
        state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
        for prefix in _PREFIXES:
            if state and all(key.startswith(prefix) for key in state):
                state = strip_prefix(state, prefix)
        if any(key.startswith(_ROOTS) for key in state):
            return state
        return self._search(content) or self._search(self.raw) or state

    def _search(self, content: Mapping) -> dict[str, Tensor]:
        """The tensors of the model that starts somewhere inside; none where none does."""
        flat = dict(_flattened(content))
        for start in _STARTS:
            prefixes = sorted({match[1] for key in flat if (match := start.match(key))})
            if len(prefixes) > 1:
                raise InputError(
                    f'{self.path} holds several models, named {", ".join(prefixes)}: save the '
                    'one that is meant, with torch.save(model.state_dict(), FILE).')
            if prefixes:
                return strip_prefix(flat, prefixes[0])
        return {}

    @property
    def first_keys(self) -> str:
        """The first names it holds, for errors."""
        names = [key for key, _ in _flattened(self.raw)] or [str(key) for key in self.raw]
        return ', '.join(names[:_SHOWN]) or 'none'

    @property
    def meta(self) -> Mapping[str, Any]:
        """What mmcv stores beside the weights (classes, config); empty where there is none."""
        meta = self.raw.get('meta')
        return meta if isinstance(meta, Mapping) else {}

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What it holds beside weights, by name."""
        return {key: value for key, value in self.raw.items()
                if not isinstance(value, Tensor) and key not in _WRAPPERS}

    @property
    def kind(self) -> CheckpointKind:
        """The kind of model it is of."""
        if any(key.startswith(TEACHER) for key in self.state):
            return CheckpointKind.SEGMENTOR_WITH_TEACHER
        if any(key.startswith(_HEAD) for key in self.state):
            return CheckpointKind.SEGMENTOR
        return CheckpointKind.CLIP


def read_checkpoint_file(path: str | Path, fix: str = '',
                         what: str = 'checkpoint') -> CheckpointContent:
    """Read a checkpoint of any model; its ``kind`` says of which.

    Args:
        path: The file.
        fix: The command that makes the file, appended to errors.
        what: What the file is for, used in errors.

    Raises:
        InputError: If it is missing, damaged, or holds no dict.
    """
    raw, torchscript = read_weights_file(path, fix, what)
    if not isinstance(raw, Mapping):
        hint = f' {fix}' if fix else ''
        raise InputError(f'{what} {path} holds a {type(raw).__name__}, expected a dict of '
                         f'weights.{hint}')
    return CheckpointContent(Path(path), raw, torchscript)


def strip_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose name starts with ``prefix``, named without it.

    Args:
        state: Tensors by name.
        prefix: E.g. ``'backbone.'``.
    """
    return {key[len(prefix):]: value for key, value in state.items() if key.startswith(prefix)}


def _flattened(content: Mapping, prefix: str = '') -> Iterator[tuple[str, Tensor]]:
    """Tensors in nested dicts by their dotted names; an optimizer's are counted, not named."""
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f'{prefix}{key}', value
        elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            yield from _flattened(value, f'{prefix}{key}.')
