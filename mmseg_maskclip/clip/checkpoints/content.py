"""The content of a checkpoint and the kind of model it is of; a file is deserialised once."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
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
        """Its tensors by name, free of wrapping dicts and of the prefixes of DDP and compile."""
        content = self.raw
        for wrapper in _WRAPPERS:
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
        state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
        for prefix in _PREFIXES:
            if state and all(key.startswith(prefix) for key in state):
                state = strip_prefix(state, prefix)
        return state

    @property
    def meta(self) -> Mapping[str, Any]:
        """What mmcv stores beside the weights (classes, config); empty where there is none."""
        meta = self.raw.get('meta')
        return meta if isinstance(meta, Mapping) else {}

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
