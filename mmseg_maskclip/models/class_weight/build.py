"""Build the class weight from its settings."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.module import ClassWeight
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings, same_model
from mmseg_maskclip.utils import InputError


@dataclass(frozen=True)
class DenseClip:
    """The CLIP model whose dense scores are weighted.

    Attributes:
        arch: Its name.
        fidelity: Fidelity of its tower.
        clip_checkpoint: Its checkpoint in the config.
        tower: Its image tower if it is built, which the classifier may share.
        gives_class_token: Whether its dense forward can return a class token for
            every test image, as MaskCLIP's does.
    """

    arch: str
    fidelity: str
    clip_checkpoint: str | None = None
    tower: ClipBackbone | None = None
    gives_class_token: bool = False


def build_class_weight(settings: ClassWeightSettings, num_classes: int,
                       dense: DenseClip | None) -> ClassWeight:
    """Build the class weight of a segmentor.

    Its tower is initialised without touching the random state of the model:
    runs of one seed with and without a class weight start from the same student.

    Args:
        settings: Settings of the config.
        num_classes: K, classes that have a text embedding.
        dense: The dense CLIP model, or None for a student without a teacher.

    Raises:
        InputError: If a setting does not fit the model.
    """
    tower = None
    if dense is not None:
        resolved = settings.resolved(dense.arch, dense.fidelity, dense.clip_checkpoint)
        tower = _shared_tower(settings, resolved, dense)
        settings = resolved
    if settings.source == 'class_token' and not (dense and dense.gives_class_token):
        raise InputError("class_weight.source='class_token' is the token of MaskCLIP's own "
                         "forward, which MaskCLIP+ does not have: use 'file'.")
    with torch.random.fork_rng(devices=[]):
        return ClassWeight(num_classes, settings, tower)


def _shared_tower(given: ClassWeightSettings, resolved: ClassWeightSettings,
                  dense: DenseClip) -> ClipBackbone | None:
    """The dense tower if the classifier can share it, else None."""
    same = resolved.classifier is not None and same_model(resolved.classifier, dense.arch)
    if resolved.source == 'class_token' and dense.gives_class_token:
        if not same:
            raise InputError("class_weight.source='class_token' is read by the dense tower "
                             f'{dense.arch} itself, class_weight.classifier is '
                             f'{resolved.classifier!r}: set it to None.')
        return dense.tower
    own_file = given.clip_checkpoint not in (None, dense.clip_checkpoint)
    # In paper fidelity the dense tower is altered; the classifier is CLIP as it was trained.
    return dense.tower if same and dense.fidelity == 'clip' and not own_file else None


def settings_of_student(config: object, training: bool, teacher_labels: bool,
                        reads_crops: bool) -> ClassWeightSettings | None:
    """The settings of a MaskCLIP+ student's class weight, None where it is not used.

    Args:
        config: ``class_weight`` of the config, or None.
        training: Whether the student is built to be trained.
        teacher_labels: Whether a teacher ever gives pseudo-labels.
        reads_crops: Whether training images with pseudo-labels are crops.

    Raises:
        InputError: If a setting is wrong, or does nothing in training.
    """
    if config is None:
        return None
    settings = ClassWeightSettings.of(config)
    if not training:
        # A class weight on the teacher alone does not apply in testing: no CLIP file needed.
        return settings if settings.on_student else None
    if settings.on_teacher and not teacher_labels:
        raise InputError(f"class_weight.on is '{settings.on}', but the teacher never labels: use "
                         "'student', or set labelling.clip_guided.")
    if reads_crops and settings.source != 'file':
        raise InputError(f"class_weight.source is '{settings.source}', which in training is a "
                         "crop: use 'file'.")
    return settings
