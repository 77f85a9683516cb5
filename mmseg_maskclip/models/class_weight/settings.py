"""Settings of the class weight, checked and resolved."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Any, Mapping, Sequence, Union

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.ops import GATE_COSINE
from mmseg_maskclip.utils import InputError, require_number

MODES = ('softmax', 'gate', 'log_prior')
PLACES = ('student', 'teacher', 'both')
SOURCES = ('file', 'input', 'class_token')
DEFAULT_CLASSIFIER = 'ViT-B/16'
_PATH = (str, os.PathLike)
_NAMES = ((str, list, tuple), 'a name, a file or a list')
_KINDS: dict[str, tuple] = {
    'classifier': (str, 'the name of a CLIP model'), 'clip_checkpoint': (_PATH, 'a file'),
    'text_features_path': (_PATH, 'a file'), 'cache_dir': (_PATH, 'a folder'),
    'vocabulary': _NAMES, 'templates': _NAMES, 'renormalise': (bool, 'True or False')}
Names = Union[str, Sequence[str], None]


@dataclass(frozen=True)
class ClassWeightSettings:
    """Settings of :class:`~mmseg_maskclip.models.ClassWeight`, as a config names them.

    Attributes:
        mode: ``'softmax'``, ``'gate'`` or ``'log_prior'``.
        tau: Temperature of the softmax, of the first and last mode.
        cw: Weight of a class that passes the gate.
        threshold: Cosine at the gate.
        on: MaskCLIP+ only: whether the scores of the ``'student'``, of the
            ``'teacher'`` (its pseudo-labels) or of ``'both'`` are weighted.
        classifier: Name of the CLIP model that reads the image; None for the
            dense tower's own.
        clip_checkpoint: Its file; None for the one in ``pretrain/``, or for
            the dense tower's where it is the same model.
        text_features_path: A text bank file; None finds or builds the bank
            of ``vocabulary``.
        vocabulary: As in :class:`MaskClipHead`; None for the head's.
        templates: As in :class:`MaskClipHead`; None for the head's.
        renormalise: L2-normalise each class's mean over its prompts; None
            depends on fidelity: not in ``'paper'``.
        source: ``'file'``: the image's file, or the network's input where it
            has none. ``'input'``: always the input. ``'class_token'``: the
            class token of the dense forward itself, in MaskCLIP only.
        cache_size: Maximum number of cached embeddings.
        cache_dir: Folder that keeps them between runs.

    Raises:
        InputError: If a value is of another kind or out of range.
    """

    mode: str = 'softmax'
    tau: float = 1.0
    cw: float = 1.1
    threshold: float = GATE_COSINE
    on: str = 'student'
    classifier: str | None = DEFAULT_CLASSIFIER
    clip_checkpoint: str | None = None
    text_features_path: str | None = None
    vocabulary: Names = None
    templates: Names = None
    renormalise: bool | None = None
    source: str = 'file'
    cache_size: int = 200_000
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        for name, known in (('mode', MODES), ('on', PLACES), ('source', SOURCES)):
            if getattr(self, name) not in known:
                raise InputError(f'class_weight.{name} is {getattr(self, name)!r}, expected one '
                                 f'of {known}.')
        hint = 'model.class_weight=None switches it off'
        require_number(self.tau, 'class_weight.tau', above=0, hint=hint)
        require_number(self.cw, 'class_weight.cw', above=0, hint=hint)
        require_number(self.threshold, 'class_weight.threshold', hint=hint)
        for name, (kinds, words) in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kinds):
                raise InputError(f'class_weight.{name} is {value!r}, expected {words}.')

    @classmethod
    def of(cls, config: object) -> ClassWeightSettings:
        """The settings of a config.

        Args:
            config: A dict of the attributes above.

        Raises:
            InputError: If it is not a dict, has unknown keys or bad values.
        """
        if not isinstance(config, Mapping):
            raise InputError(f'class_weight is {config!r}, expected a dict such as '
                             "dict(mode='softmax', tau=1.0), or None.")
        known = [field.name for field in fields(cls)]
        unknown = [key for key in config if key not in known]
        if unknown:
            raise InputError(f'class_weight has a key {unknown[0]!r}, expected some of '
                             f'{", ".join(known)}.')
        return cls(**config)

    @property
    def on_student(self) -> bool:
        """Whether a student's scores are weighted."""
        return self.on in ('student', 'both')

    @property
    def on_teacher(self) -> bool:
        """Whether a teacher's scores are weighted."""
        return self.on in ('teacher', 'both')

    def resolved(self, arch: str, fidelity: str,
                 clip_checkpoint: str | None = None) -> ClassWeightSettings:
        """These settings, completed from the dense CLIP model.

        Args:
            arch: Name of the dense model.
            fidelity: Fidelity of its tower; ``'paper'`` does not L2-normalise text
                embeddings.
            clip_checkpoint: Its file, which is the classifier's where both are
                the same model.
        """
        classifier = self.classifier or arch
        filled: dict[str, Any] = {'classifier': classifier}
        if self.renormalise is None:
            filled['renormalise'] = fidelity != 'paper'
        if self.clip_checkpoint is None and same_model(classifier, arch):
            filled['clip_checkpoint'] = clip_checkpoint
        return replace(self, **filled)


def same_model(classifier: str, arch: str) -> bool:
    """Whether two names mean the same CLIP model; custom sizes have no known name."""
    try:
        return get_spec(classifier).name == get_spec(arch).name
    except InputError:
        return classifier == arch
