"""From CLIP files to a model's tower and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import torch
import torch.distributed as dist
from mmcv.runner import get_dist_info
from mmcv.utils import print_log
from torch import nn

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    ClipSpec,
    TextBank,
    bank_path,
    cached_text_bank,
    list_vocabularies,
    load_vocabulary,
    read_clip_checkpoint,
    weights_path,
)
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.decode_heads import MaskClipHead, MaskClipPlusHead
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
    load_text(model.decode_head, model.backbone, checkpoint, device)
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


def load_text(head: TextHead, backbone: ClipBackbone, checkpoint: ClipCheckpoint,
              device: str = 'cpu') -> None:
    """Give a head its text bank: the named file, a prepared one, or a new one.

    Args:
        head: The head; its ``vocabulary``, ``templates``, ``synonyms`` and
            ``text_embeddings_path`` say what is wanted.
        backbone: The tower whose CLIP model the texts belong to.
        checkpoint: The CLIP file, which may hold the text tower.
        device: Where texts are encoded.

    Raises:
        InputError: If there is no bank and none can be built, or it is of
            other classes or another CLIP model.
    """
    if head.text_embeddings_path:
        bank = TextBank.load(head.text_embeddings_path)
        names = load_vocabulary(head.vocabulary).class_names if head.vocabulary else None
        bank.check(class_names=names, clip=backbone.spec.name)
    else:
        bank = find_bank(head, backbone, checkpoint, device)
    head.set_text_bank(bank)


def find_bank(head: TextHead, backbone: ClipBackbone, checkpoint: ClipCheckpoint,
              device: str) -> TextBank:
    """The bank of a head's vocabulary: prepared, cached or built now.

    A prepared ``{set}_{MODEL}_clip_text.pth`` is looked for beside the
    checkpoint and in ``pretrain/``, for the published weights and the default
    prompts only: other weights of the same architecture have other texts.
    """
    spec = backbone.spec
    if head.vocabulary is None:
        raise InputError("the config names no classes: set model.decode_head.vocabulary, or "
                         'give --classes to tools/test.py.')
    vocabulary = load_vocabulary(head.vocabulary)
    if _prepared_fits(head, checkpoint, spec):
        name = Path(bank_path(vocabulary.name, spec.short_name)).name
        for folder in (Path(checkpoint.path).parent, Path('pretrain')):
            if (folder / name).is_file():
                bank = TextBank.load(folder / name)
                if bank.templates not in (None, head.templates):
                    continue
                bank.check(class_names=vocabulary.class_names, clip=spec.name)
                print_log(f'Text bank: {folder / name}', 'mmseg')
                return bank
    if not checkpoint.text:
        checkpoint = _text_tower_beside(checkpoint, backbone, vocabulary.name)
    rank, world = get_dist_info()
    if world > 1 and rank > 0:
        # The first process encodes the texts, the others take them from its cache.
        dist.barrier()
    bank = cached_text_bank(checkpoint, spec, vocabulary, templates=head.templates,
                            synonyms=head.synonyms, device=device, progress=rank == 0)
    if world > 1 and rank == 0:
        dist.barrier()
    return bank


def _prepared_fits(head: TextHead, checkpoint: ClipCheckpoint, spec: ClipSpec) -> bool:
    """Whether a prepared bank may stand for what the head asks for."""
    published = not checkpoint.text or (
        spec.sha256 is not None and checkpoint.sha256.startswith(spec.sha256))
    return (published and head.vocabulary in list_vocabularies() and head.synonyms == 'mean'
            and head.templates == 'imagenet85')


def _text_tower_beside(checkpoint: ClipCheckpoint, backbone: ClipBackbone,
                       vocabulary: str) -> ClipCheckpoint:
    """The full CLIP file beside one that holds the image tower alone."""
    spec = backbone.spec
    for folder in (Path(checkpoint.path).parent, Path('pretrain')):
        if spec.filename and (folder / spec.filename).is_file():
            other = read_clip_checkpoint(folder / spec.filename)
            other.check(spec)
            return other
    make = (f'python tools/maskclip_utils/prompt_engineering.py --model {spec.short_name} '
            f'--class-set {vocabulary}') if vocabulary in list_vocabularies() else (
            'give the full CLIP file as the checkpoint')
    raise InputError(f'there is no text bank of {vocabulary!r} for CLIP model {spec.name}, and '
                     f'{checkpoint.path} holds no text tower to build it from: {make}')
