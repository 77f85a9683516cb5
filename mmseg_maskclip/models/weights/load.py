"""Load whatever checkpoint a user has into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip import (
    CheckpointContent,
    CheckpointKind,
    clip_checkpoint_from,
    how_to_get,
    read_checkpoint_file,
)
from mmseg_maskclip.models import MaskClip, ZegClip
from mmseg_maskclip.models.class_weight.load import load_class_weight
from mmseg_maskclip.models.decode_heads.text_classifier import TextClassifier
from mmseg_maskclip.models.segmentors.replaceable_classes import ReplaceableClasses
from mmseg_maskclip.models.weights.averages import without_averages
from mmseg_maskclip.models.weights.clip import load_clip
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.models.weights.official import adapt_official
from mmseg_maskclip.models.weights.state_dict import load_exactly, load_fitting
from mmseg_maskclip.models.weights.zegclip import load_zegclip, start_zegclip
from mmseg_maskclip.utils import InputError

_TEXT_EMBEDDINGS = ('decode_head.text.',)
_TRAINED = 'Give the checkpoint that training the config wrote, WORK_DIR/latest.pth.'


def load_weights(model: nn.Module, path: str | Path,
                 device: str | torch.device = 'cpu') -> dict:
    """Load a checkpoint into a segmentor.

    A trained segmentor is loaded strictly. A :class:`MaskClip` also loads a CLIP
    checkpoint in any form; its text bank is then found or built.

    Args:
        model: The segmentor, on the CPU.
        path: The checkpoint file, or the name of a CLIP model whose file is
            where it is looked for (:func:`locate_weights`).
        device: Where a missing text bank is encoded.

    Returns:
        The checkpoint's ``meta``, empty for a CLIP file.

    Raises:
        InputError: If the file is missing, broken, or of another model.
    """
    path = locate_weights(path)
    content = read_checkpoint_file(path, how_to_get(model.backbone.spec) if isinstance(
        model, MaskClip) else _TRAINED)
    # The teacher in an official student's checkpoint is a MaskCLIP; a student takes the rest.
    if content.kind is CheckpointKind.CLIP or (
            content.kind is CheckpointKind.SEGMENTOR_WITH_TEACHER and isinstance(model, MaskClip)):
        if not isinstance(model, MaskClip):
            raise InputError(f'{path} is not the checkpoint of a segmentor, the config describes '
                             f'a {type(model).__name__}: give the checkpoint that training it '
                             'wrote.')
        load_clip(model, clip_checkpoint_from(content), device)
        return {}
    if isinstance(model, ZegClip):
        load_zegclip(model, content, device)
        return dict(content.meta)
    _load_trained(model, content)
    if isinstance(model, ReplaceableClasses) and model.class_weight is not None:
        load_class_weight(model.class_weight, model.decode_head, device)
    return dict(content.meta)


def start_from(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Start a new run from the weights of a checkpoint.

    The text embeddings are those of this run's classes, whatever the earlier run's were.

    Args:
        model: The segmentor, its own weights loaded.
        state: The checkpoint's weights.
        path: Its file.

    Raises:
        InputError: If too little of it fits; of a :class:`ZegClip` all has to.
    """
    state = without_averages(state, path)
    if isinstance(model, ZegClip):
        start_zegclip(model, state, path)
    else:
        load_fitting(model, adapt_official(state, path), path, skip=_TEXT_EMBEDDINGS)


def _load_trained(model: nn.Module, content: CheckpointContent) -> None:
    # Text embeddings have as many rows as the checkpoint has.
    rows = {f'{name}.{buffer}' for name, module in model.named_modules()
            if isinstance(module, TextClassifier) for buffer in ('embeddings', 'row_class')}
    state = without_averages(content.state, content.path)
    load_exactly(model, adapt_official(state, content.path), content.path,
                 'Give the config it was made with; if parameters are not finite, the run had '
                 'diverged: take an earlier checkpoint.', any_shape=rows)
