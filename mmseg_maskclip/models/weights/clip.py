"""From CLIP files to a model's tower and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import torch
from torch import nn

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    ClipSpec,
    TextBank,
    find_checkpoint,
    how_to_get,
    load_vocabulary,
    read_clip_checkpoint,
    weights_path,
)
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.module import ClassWeight
from mmseg_maskclip.models.decode_heads import MaskClipHead, MaskClipPlusHead
from mmseg_maskclip.models.weights.text import WantedBank, find_bank
from mmseg_maskclip.utils import InputError, require_file

POSITIONS = 'attnpool.positional_embedding'
TextHead = Union[MaskClipHead, MaskClipPlusHead]
_GET = 'bash download_weights.sh'


def load_clip(model: nn.Module, path: str, device: str = 'cpu') -> ClipCheckpoint:
    """Load a CLIP file into a ``MaskClip``: its tower, and the texts of its head.

    Args:
        model: A segmentor with a CLIP backbone and a ``MaskClipHead``.
        path: A CLIP checkpoint in any form.
        device: Where a missing text bank is encoded.

    Returns:
        What was read.

    Raises:
        InputError: If the file is missing, broken, or of another model.
    """
    require_file(path, 'CLIP checkpoint', f'Get it with: {_GET}')
    checkpoint = read_clip_checkpoint(path)
    load_tower(model.backbone, checkpoint)
    load_text(model.decode_head, model.backbone.spec, checkpoint, device)
    if model.class_weight is not None:
        load_class_weight(model.class_weight, model.decode_head, device, checkpoint, model.backbone)
    return checkpoint


def load_tower(backbone: ClipBackbone, checkpoint: ClipCheckpoint) -> None:
    """Load CLIP's image tower, every parameter of it.

    Args:
        backbone: A CLIP backbone.
        checkpoint: What :func:`read_clip_checkpoint` found.

    Raises:
        InputError: If the tower is of another kind, width or depth, or parts
            are missing.
    """
    checkpoint.check(backbone.spec)
    state = dict(checkpoint.visual)
    missing = [key for key in backbone.state_dict() if key not in state]
    if missing and missing != [POSITIONS] and not checkpoint.text:
        state.update(_projections(backbone, checkpoint))
        missing = [key for key in backbone.state_dict() if key not in state]
    if missing == [POSITIONS]:
        # Earlier files dropped it; the dense read-out does without.
        state[POSITIONS] = torch.zeros_like(backbone.state_dict()[POSITIONS])
    elif missing:
        raise InputError(f'{checkpoint.path} lacks {len(missing)} parameters of CLIP model '
                         f'{backbone.spec.name} (such as {missing[:2]}): {_GET} '
                         f'{backbone.spec.name}')
    _load_strictly(backbone, state, checkpoint)


def _load_strictly(backbone: ClipBackbone, state: dict, checkpoint: ClipCheckpoint) -> None:
    own = backbone.state_dict()
    wrong = [f'{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}'
             for key, value in own.items() if state[key].shape != value.shape]
    wrong += [f'{key}, which the tower does not have' for key in state if key not in own]
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f'{checkpoint.path} is damaged: {broken[0]} holds values that are no '
                         f'numbers. {_GET} {backbone.spec.name}')
    if wrong:
        raise InputError(f'{checkpoint.path} does not fit CLIP model {backbone.spec.name}: it '
                         f'holds {wrong[0]}{f" and {len(wrong) - 1} more" if wrong[1:] else ""}.')
    backbone.load_state_dict(state)


def _projections(backbone: ClipBackbone, checkpoint: ClipCheckpoint) -> dict:
    """The projections beside an earlier ``*_clip_backbone.pth``, which has none."""
    spec = backbone.spec
    beside = Path(checkpoint.path).parent / Path(weights_path(spec.short_name)).name
    if beside == Path(checkpoint.path):
        return {}
    require_file(beside, f'{checkpoint.path} holds the backbone alone; the projections',
                 'Make them with: python tools/maskclip_utils/convert_clip_weights.py '
                 f'--model {spec.short_name}')
    other = read_clip_checkpoint(beside)
    other.check(spec)
    return {key: value for key, value in other.visual.items() if key not in checkpoint.visual}


def load_text(head: TextHead, spec: ClipSpec, checkpoint: ClipCheckpoint,
              device: str = 'cpu') -> None:
    """Give a head its text bank: the named file, a prepared one, or a new one.

    Args:
        head: The head; its ``vocabulary``, ``templates``, ``synonyms`` and
            ``text_embeddings_path`` say what is wanted.
        spec: The CLIP model the texts belong to.
        checkpoint: The CLIP file, which may hold the text tower.
        device: Where texts are encoded.

    Raises:
        InputError: If there is no bank and none can be built, or it is of
            other classes or another CLIP model.
    """
    if head.text_embeddings_path:
        bank = TextBank.load(head.text_embeddings_path)
        names = load_vocabulary(head.vocabulary).class_names if head.vocabulary else None
        bank.check(class_names=names, clip=spec.name)
    else:
        bank = find_bank(WantedBank(head.vocabulary, head.templates, head.synonyms),
                         spec, checkpoint, device)
    head.set_text_bank(bank)


def load_class_weight(weight: ClassWeight, head: TextHead, device: str = 'cpu',
                      dense: ClipCheckpoint | None = None,
                      backbone: ClipBackbone | None = None) -> None:
    """Load the CLIP model that reads whole images, and its class texts.

    Args:
        weight: The class weight.
        head: The head whose classes are weighted.
        device: Where missing texts are encoded.
        dense: The file of the dense tower, which may be the classifier's too.
        backbone: The dense tower of that file.

    Raises:
        InputError: If a file is missing or does not fit.
    """
    classifier = weight.classifier
    spec = classifier.spec
    if (dense is None or weight.clip_checkpoint or backbone.spec.name != spec.name
            or (spec.kind == 'resnet' and POSITIONS not in dense.visual)):
        dense = _classifiers_file(weight, spec)
    if classifier.own is not None:
        load_tower(classifier.own, dense)
    if weight.text_features_path:
        bank = TextBank.load(weight.text_features_path)
        vocabulary = weight.vocabulary or head.vocabulary
        if vocabulary:
            bank.check(class_names=load_vocabulary(vocabulary).class_names)
        if weight.renormalise:
            bank = bank.unit()
    else:
        bank = find_bank(WantedBank(
            weight.vocabulary or head.vocabulary, weight.templates or head.templates,
            normalize=bool(weight.renormalise)), spec, dense, device)
    classifier.set_text(bank)
    classifier.open_cache()


def _classifiers_file(weight: ClassWeight, spec: ClipSpec) -> ClipCheckpoint:
    path = weight.clip_checkpoint
    try:
        if path is None:
            path = find_checkpoint(spec)
        require_file(path, 'CLIP checkpoint', how_to_get(spec))
        return read_clip_checkpoint(path)
    except InputError as error:
        raise InputError(f'the class weight reads images with CLIP model {spec.name}: {error} Or '
                         'do without: --cfg-options model.class_weight=None') from error
