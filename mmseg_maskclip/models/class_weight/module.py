"""Class weight: dense scores reweighted by what CLIP says of the whole image."""

from __future__ import annotations

import os
from typing import Sequence

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.image_classifier import ImageClassifier
from mmseg_maskclip.ops import (
    GATE_COSINE,
    add_log_prior,
    gate_weights,
    multiply_scores,
    softmax_weights,
)
from mmseg_maskclip.utils import InputError

MODES = ('softmax', 'gate', 'log_prior')
PLACES = ('student', 'teacher', 'both')
SOURCES = ('file', 'input', 'class_token')
DEFAULT_CLASSIFIER = 'ViT-B/16'
_PATH = (str, os.PathLike)
_TEXTS = ((str, list, tuple), 'a name, a file or a list')
# Of which kind the keys are that a config may set; the others are looked at one by one.
_KINDS: dict[str, tuple] = {
    **dict.fromkeys(('mode', 'tau', 'cw', 'threshold', 'on', 'source', 'cache_size'), (None, '')),
    'classifier': (str, 'the name of a CLIP model'), 'clip_checkpoint': (_PATH, 'a file'),
    'text_features_path': (_PATH, 'a file'), 'cache_dir': (_PATH, 'a folder'),
    'vocabulary': _TEXTS, 'templates': _TEXTS, 'renormalise': (bool, 'True or False')}


class ClassWeight(nn.Module):
    """A prior over the classes from the whole image, applied to dense scores.

    The same for MaskCLIP and MaskCLIP+ (class-weight fork of MaskCLIP; see
    docs/class_weight.md). ``softmax``: score' = K softmax(cos / tau) score.
    ``gate``: score' = cw score where the cosine passes ``threshold``.
    ``log_prior``: score' = score + log(K softmax(cos / tau)) / scale.

    Args:
        num_classes: K, classes that have a text.
        mode: ``'softmax'``, ``'gate'`` or ``'log_prior'``.
        tau: Temperature of the softmax, of the first and last mode.
        cw: Weight of a class that passes the gate.
        threshold: Cosine at the gate.
        on: MaskCLIP+ only: whether the scores of the ``'student'``, of the
            ``'teacher'`` (its pseudo labels) or of ``'both'`` are weighted.
        classifier: Name of the CLIP model that reads the image; None for the
            dense tower's own.
        clip_checkpoint: Its file; None for the one in ``pretrain/``, or for
            the dense tower's where it is the same model.
        text_features_path: A text bank file; None finds or builds the bank
            of ``vocabulary``.
        vocabulary: As in :class:`MaskClipHead`; None for the head's.
        templates: As in :class:`MaskClipHead`; None for the head's.
        renormalise: Bring each class's mean over its prompts to unit length
            again; None as fidelity says: not in ``'paper'``.
        source: ``'file'``: the image's file, or the network's input where it
            has none. ``'input'``: always the input. ``'class_token'``: the
            class token of the dense forward itself, in MaskCLIP only.
        cache_size: Embeddings of files that are kept.
        cache_dir: Folder to keep them in from run to run.
        tower: The dense tower, if it may serve.

    Raises:
        InputError: If a setting is none of the above.
    """

    def __init__(self, num_classes: int, mode: str = 'softmax', tau: float = 1.0, cw: float = 1.1,
                 threshold: float = GATE_COSINE, on: str = 'student',
                 classifier: str | None = DEFAULT_CLASSIFIER, clip_checkpoint: str | None = None,
                 text_features_path: str | None = None,
                 vocabulary: str | Sequence[str] | None = None,
                 templates: str | Sequence[str] | None = None, renormalise: bool | None = None,
                 source: str = 'file', cache_size: int = 200_000, cache_dir: str | None = None,
                 tower: ClipBackbone | None = None) -> None:
        super().__init__()
        for name, value, known in (('mode', mode, MODES), ('on', on, PLACES),
                                   ('source', source, SOURCES)):
            if value not in known:
                raise InputError(f'class_weight.{name} is {value!r}, one of {known} was expected.')
        _check_numbers(tau=tau, cw=cw, threshold=threshold)
        self.mode, self.tau, self.cw, self.threshold = mode, tau, cw, threshold
        self.on = on
        self.source = source
        self.clip_checkpoint = clip_checkpoint
        self.text_features_path = text_features_path
        self.vocabulary, self.templates = vocabulary, templates
        self.renormalise = renormalise
        shared = _shared_tower(classifier, clip_checkpoint, source, tower)
        if classifier is None and tower is None:
            raise InputError('class_weight.classifier is None, the name of a CLIP model was '
                             'expected: a student has no CLIP tower of its own.')
        self.classifier = ImageClassifier(num_classes, classifier or tower.spec.name, cache_size,
                                          cache_dir, shared)

    def on_student(self) -> bool:
        """Whether a student's scores are weighted."""
        return self.on in ('student', 'both')

    def on_teacher(self) -> bool:
        """Whether a teacher's scores are weighted."""
        return self.on in ('teacher', 'both')

    def of_images(self, metas: Sequence[dict], images: Tensor | None) -> Tensor:
        """Cosines of whole images with the classes.

        Args:
            metas: One dict an image; ``filename`` is its file.
            images: The network's inputs (B, 3, H, W), of whole images; None in
                training, where they are crops.

        Returns:
            (B, K).

        Raises:
            InputError: If a file can't be read, or there is none in training.
        """
        paths = [meta.get('filename') for meta in metas]
        if self.source == 'file' and all(paths):
            return self.classifier.of_files(paths)
        if images is None:
            raise InputError('the class weight reads whole images, training crops are none: the '
                             "data set must give each image's file, with class_weight.source="
                             "'file'.")
        return self.classifier.of_inputs(images, metas)

    def forward(self, scores: Tensor, cosines: Tensor, scale: float, skip: int = 0) -> Tensor:
        """Weighted scores.

        Args:
            scores: (B, skip + K, h, w).
            cosines: Of the whole images, (B, K).
            scale: What makes log-odds of the scores: 100 for CLIP's cosines,
                1 for the logits of a student.
            skip: Leading classes without a text, which are left as they are.

        Returns:
            (B, skip + K, h, w).
        """
        if skip:
            return torch.cat([scores[:, :skip], self(scores[:, skip:], cosines, scale)], dim=1)
        if self.mode == 'log_prior':
            return add_log_prior(scores, cosines, self.tau, scale)
        weights = (softmax_weights(cosines, self.tau) if self.mode == 'softmax'
                   else gate_weights(cosines, self.cw, self.threshold))
        return multiply_scores(scores, weights)


def require_settings(config: object) -> dict:
    """The ``class_weight`` of a config, if it can be one.

    Args:
        config: Arguments of :class:`ClassWeight`.

    Raises:
        InputError: If it is no dict, or has keys or values of another kind.
    """
    if not isinstance(config, dict):
        raise InputError(f'class_weight is {config!r}, a dict was expected, such as '
                         "dict(mode='softmax', tau=1.0); None is none.")
    unknown = [key for key in config if key not in _KINDS]
    if unknown:
        raise InputError(f'class_weight has a key {unknown[0]!r}, known are {", ".join(_KINDS)}.')
    for key, value in config.items():
        kinds, words = _KINDS[key]
        if kinds and value is not None and not isinstance(value, kinds):
            raise InputError(f'class_weight.{key} is {value!r}, {words} was expected.')
    return config


def settle(config: dict, fidelity: str, arch: str | None = None,
           clip_checkpoint: str | None = None) -> dict:
    """Settings with what follows from the dense CLIP model filled in.

    Args:
        config: Arguments of :class:`ClassWeight`; left as they are.
        fidelity: Of the dense tower: ``'paper'`` takes the texts as they are.
        arch: Name of the dense model.
        clip_checkpoint: Its file, which is the classifier's where both are
            the same model.

    Returns:
        The settings.
    """
    config = dict(config)
    if config.get('renormalise') is None:
        config['renormalise'] = fidelity != 'paper'
    classifier = config.get('classifier', DEFAULT_CLASSIFIER)
    same = isinstance(arch, str) and _is_model(classifier, get_spec(arch).name)
    if same and config.get('clip_checkpoint') is None:
        config['clip_checkpoint'] = clip_checkpoint
    return config


def _is_model(classifier: str | None, dense: str) -> bool:
    """Whether the classifier is the dense CLIP model, by whichever of its names."""
    return classifier is None or get_spec(classifier).name == dense


def _check_numbers(**values: object) -> None:
    for name, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (name != 'threshold' and not value > 0):
            kind = 'a number' if name == 'threshold' else 'a positive number'
            raise InputError(f'class_weight.{name} is {value!r}, {kind} was expected; '
                             'model.class_weight=None switches it off.')


def _shared_tower(classifier: str | None, clip_checkpoint: str | None, source: str,
                  tower: ClipBackbone | None) -> ClipBackbone | None:
    """The dense tower where it is the classifier, too; None where another is needed."""
    if source == 'class_token':
        if tower is None:
            raise InputError("class_weight.source='class_token' is the token of MaskCLIP's own "
                             "forward, which MaskCLIP+ has none of: use 'file'.")
        if not _is_model(classifier, tower.spec.name):
            raise InputError(f"class_weight.source='class_token' is read by the dense tower "
                             f'{tower.spec.name} itself, class_weight.classifier is '
                             f'{classifier!r}: set it to None.')
        return tower
    if tower is None or clip_checkpoint is not None:
        return None
    # In paper fidelity the dense tower is altered; the classifier is CLIP as it was trained.
    same = tower.fidelity == 'clip' and _is_model(classifier, tower.spec.name)
    return tower if same else None
