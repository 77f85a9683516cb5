"""Weights of ZegCLIP: a frozen tower from a CLIP file, and what was learned from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Mapping

import torch
from mmcv.utils import print_log
from torch import Tensor

from mmseg_maskclip.clip import (
    CheckpointContent,
    ClipCheckpoint,
    how_to_get,
    load_vocabulary,
    read_clip_checkpoint,
)
from mmseg_maskclip.models.weights.averages import without_averages
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.models.weights.official_zegclip import TOWER, adapt_zegclip
from mmseg_maskclip.models.weights.state_dict import load_exactly, state_dict_hash
from mmseg_maskclip.models.weights.text import load_text, named_bank
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import InputError, require_file, to_plain

if TYPE_CHECKING:
    from mmseg_maskclip.models.segmentors.zegclip import ZegClip

_TEXT = 'decode_head.text.'
_COUNT = 'decode_head.loss_decode.criterion.empty_weight'
_TRAINED = ('Give the config it was trained with (number and depth of the prompts, decoder); if '
            'parameters are not finite, take an earlier checkpoint.')


def load_frozen(model: ZegClip, device: str | torch.device = 'cpu') -> None:
    """Load the tower and the text embeddings of a model that is to be trained.

    Args:
        model: The segmentor.
        device: Where missing text embeddings are computed.

    Raises:
        InputError: If a file is missing, damaged, or does not fit.
    """
    checkpoint = _clip_file(model)
    load_tower(model.backbone.tower, checkpoint)
    _record(model, checkpoint)
    _set_text(model, checkpoint, device)


def load_zegclip(model: ZegClip, content: CheckpointContent,
                 device: str | torch.device = 'cpu') -> None:
    """Load a trained ZegCLIP: one of this project's, or of the official code.

    The tower comes from the checkpoint where it holds one, else from the CLIP file that the
    config names, which must hold the weights that it was trained with. Text embeddings come
    from the checkpoint where it was trained for the classes of the config.

    Args:
        model: The segmentor.
        content: The checkpoint.
        device: Where missing text embeddings are computed.

    Raises:
        InputError: If the checkpoint is of another model, or of other classes and
            ``model.transfer`` is False; if the CLIP file is missing or another one.
    """
    path = content.path
    state = without_averages(content.state, path)
    check_classes_of(model, state, content.meta, path)
    state = adapt_zegclip(state, path)
    tower = {key[len(TOWER):]: value for key, value in state.items() if key.startswith(TOWER)}
    learned = {key: value for key, value in state.items() if not key.startswith(TOWER)}
    stored = _same_classes(model, content.meta) and f'{_TEXT}embeddings' in learned
    names_file = model.decode_head.text_embeddings_path is not None
    checkpoint = None if tower and (stored or names_file) else _clip_file(model)
    if tower:
        load_exactly(model.backbone.tower, tower, path, _TRAINED)
        model.frozen_weights = dict(content.meta.get('frozen_weights', {}))
    elif checkpoint is not None:
        load_tower(model.backbone.tower, checkpoint)
        _record(model, checkpoint)
        _check_hash(model, content)
    if stored:
        _tell_text(model, content)
    else:
        learned = {key: value for key, value in learned.items() if not key.startswith(_TEXT)}
        _set_text(model, checkpoint, device)
        learned.update({key: value for key, value in model.state_dict().items()
                        if key.startswith(_TEXT)})
    load_exactly(model, learned, path, _TRAINED,
                 any_shape=[key for key in learned if key.startswith(_TEXT)])


def start_zegclip(model: ZegClip, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Start a new run from what an earlier one has learned; text and tower are this run's.

    Args:
        model: The segmentor, its own weights loaded.
        state: The checkpoint's weights.
        path: Its file.

    Raises:
        InputError: If it is of another kind of model, or other prompts.
    """
    own = {key: value for key, value in model.state_dict().items() if key.startswith(_TEXT)}
    learned = {key: value for key, value in adapt_zegclip(state, path).items()
               if not key.startswith(TOWER)}
    load_exactly(model, {**learned, **own}, path, _TRAINED)


def check_classes_of(model: ZegClip, state: Mapping[str, Tensor], meta: Mapping,
                     path: str | Path) -> None:
    """Refuse a checkpoint that was trained for other classes than the config's.

    Args:
        model: The segmentor.
        state: The checkpoint's weights, as they were read.
        meta: Its meta data.
        path: Its file.

    Raises:
        InputError: If it was, and ``model.transfer`` is False.
    """
    if model.transfer:
        return
    hint = ('give the config it was trained with, or set model.transfer=True to test it on other '
            'classes (configs/zegclip/cross_dataset).')
    classes = model.decode_head.num_classes
    if _COUNT in state:
        trained, fitting = len(state[_COUNT]) - 1, {classes, classes - len(model.unseen)}
        if trained not in fitting:
            raise InputError(f'{path} was trained with num_classes={trained}, expected '
                             f'{" or ".join(map(str, sorted(fitting)))}: {hint}')
    trained_names = meta.get('text_classes')
    if trained_names is not None and not _same_classes(model, meta):
        raise InputError(f'{path} was trained for {len(trained_names)} classes, '
                         f'{_shown(trained_names)}, the config has {classes}, '
                         f'{_shown(_names(model) or [])}: {hint}')


def _names(model: ZegClip) -> list[str] | None:
    vocabulary = model.decode_head.vocabulary
    return None if vocabulary is None else list(load_vocabulary(vocabulary).class_names)


def _shown(names: list) -> str:
    return ', '.join([*names[:2], '...'])


def _same_classes(model: ZegClip, meta: Mapping) -> bool:
    return meta.get('text_classes') is not None and list(meta['text_classes']) == _names(model)


def _clip_file(model: ZegClip) -> ClipCheckpoint:
    spec = model.backbone.spec
    if model.clip_checkpoint is None:
        raise InputError('the frozen tower has no weights: set model.clip_checkpoint to a CLIP '
                         f'file. {how_to_get(spec)}')
    path = require_file(locate_weights(model.clip_checkpoint), 'CLIP checkpoint',
                        how_to_get(spec))
    return read_clip_checkpoint(path, how_to_get(spec))


def _record(model: ZegClip, checkpoint: ClipCheckpoint) -> None:
    """Note which weights the tower has, by a hash that does not depend on the form of the file."""
    model.frozen_weights = {'clip': model.backbone.spec.name, 'file': str(checkpoint.path),
                            'hash': state_dict_hash(checkpoint.visual)}


def _check_hash(model: ZegClip, content: CheckpointContent) -> None:
    trained = dict(content.meta.get('frozen_weights', {}))
    if trained and trained.get('hash') != model.frozen_weights['hash']:
        raise InputError(f'{content.path} was trained with other weights of {trained.get("clip")} '
                         f'than those of {model.frozen_weights["file"]}: expected the file '
                         f'{trained.get("file")} of that run, set model.clip_checkpoint to it.')


def _tell_text(model: ZegClip, content: CheckpointContent) -> None:
    """Say that the config would make other text embeddings than those the model was trained on."""
    wanted, made = model.checkpoint_meta['text_made_from'], content.meta.get('text_made_from')
    if to_plain(wanted) != made:
        print_log(f'{content.path} has the text embeddings it was trained with, made from {made}; '
                  f'those of the config, {wanted}, are not used.', 'mmseg', level=30)


def _set_text(model: ZegClip, checkpoint: ClipCheckpoint | None,
              device: str | torch.device) -> None:
    head, spec = model.decode_head, model.backbone.spec
    if checkpoint is None:
        head.set_text_bank(named_bank(head.text_embeddings_path, head.vocabulary,
                                      (head.text.num_classes, head.text_channels), spec))
    else:
        load_text(head, spec, checkpoint, device)
