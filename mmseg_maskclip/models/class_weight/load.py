"""Load the class weight: its CLIP tower and its text embeddings."""

from __future__ import annotations

from pathlib import Path

import torch

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    TextBank,
    find_checkpoint,
    how_to_get,
    read_clip_checkpoint,
)
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.module import ClassWeight
from mmseg_maskclip.models.decode_heads.text_head import TextHead
from mmseg_maskclip.models.weights.text import WantedBank, find_bank, named_bank
from mmseg_maskclip.models.weights.tower import POSITIONS, load_tower
from mmseg_maskclip.utils import InputError, require_file


def load_class_weight(weight: ClassWeight, head: TextHead,
                      device: str | torch.device = 'cpu',
                      dense: ClipCheckpoint | None = None,
                      backbone: ClipBackbone | None = None) -> None:
    """Load the CLIP model that reads whole images, and its text embeddings.

    Args:
        weight: The class weight.
        head: The head whose classes are weighted.
        device: Where prompts are encoded.
        dense: The file of the dense tower, which may be the classifier's too.
        backbone: The dense tower of that file.

    Raises:
        InputError: If a file is missing or does not fit.
    """
    settings, classifier = weight.settings, weight.classifier
    checkpoint = _checkpoint(weight, dense, backbone)
    if classifier.own is not None:
        load_tower(classifier.own, checkpoint)
    vocabulary = settings.vocabulary or head.vocabulary
    if settings.text_features_path:
        bank = _named_features(weight, head)
        # The file may be of either kind: means over prompts, or L2-normalised.
        if settings.renormalise:
            bank = bank.unit()
    else:
        bank = find_bank(WantedBank(
            vocabulary, settings.templates or head.templates,
            normalize=bool(settings.renormalise)), classifier.spec, checkpoint, device)
    classifier.set_text(bank)
    classifier.open_cache()


def check_class_weight(weight: ClassWeight, head: TextHead,
                       backbone: ClipBackbone | None = None) -> None:
    """Check the files of a class weight, before anything is encoded, which takes a minute.

    Args:
        weight: The class weight.
        head: The head whose classes are weighted.
        backbone: The dense tower, whose file may be the classifier's too.

    Raises:
        InputError: If a file is missing, or the text features are of other classes.
    """
    if weight.settings.text_features_path:
        _named_features(weight, head)
    shares = backbone is not None and backbone.spec.name == weight.classifier.spec.name
    if weight.settings.clip_checkpoint or not shares:
        _file(weight)


def _named_features(weight: ClassWeight, head: TextHead) -> TextBank:
    settings, classifier = weight.settings, weight.classifier
    return named_bank(str(settings.text_features_path), settings.vocabulary or head.vocabulary,
                      (classifier.num_classes, classifier.spec.embed_dim))


def _checkpoint(weight: ClassWeight, dense: ClipCheckpoint | None,
                backbone: ClipBackbone | None) -> ClipCheckpoint:
    """The classifier's checkpoint: the dense tower's where it is the same file, else its own."""
    spec, path = weight.classifier.spec, weight.settings.clip_checkpoint
    if (dense is not None and backbone is not None and backbone.spec.name == spec.name
            and path in (None, str(dense.path))
            # Earlier converted files lack what CLIP's ordinary forward needs.
            and (spec.kind == 'vit' or POSITIONS in dense.visual)):
        return dense
    return read_clip_checkpoint(_file(weight))


def _file(weight: ClassWeight) -> Path:
    spec = weight.classifier.spec
    try:
        return require_file(weight.settings.clip_checkpoint or find_checkpoint(spec),
                            'CLIP checkpoint', how_to_get(spec))
    except InputError as error:
        raise InputError(f'the class weight reads images with CLIP model {spec.name}: {error} Or '
                         'do without: --cfg-options model.class_weight=None') from error
