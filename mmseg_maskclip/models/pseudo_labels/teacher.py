"""The frozen MaskCLIP teacher of a student: built, checked, and its CLIP file found."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Sequence

from mmseg.models.builder import build_segmentor
from torch import Tensor

from mmseg_maskclip.clip import ClipSpec, get_spec, how_to_get, load_vocabulary, make_spec
from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.class_weight.build import DenseClip
from mmseg_maskclip.models.decode_heads import MaskClipPlusHead
from mmseg_maskclip.models.pseudo_labels.labeller import Labeller
from mmseg_maskclip.models.segmentors.maskclip import MaskClip
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.utils import InputError, require_file


def build_teacher(config: dict, head: MaskClipPlusHead, labeller: Labeller) -> MaskClip:
    """Build a frozen teacher that fits a student.

    Args:
        config: Config of a ``MaskClip``.
        head: The student's head.
        labeller: Its ``clip_classes`` are those the teacher may assign.

    Raises:
        InputError: If it is another kind of model, or of other classes or text embeddings.
    """
    teacher = build_segmentor(config)
    if not isinstance(teacher, MaskClip):
        raise InputError(f"the teacher is {type(teacher).__name__}, expected 'MaskClip'.")
    own = teacher.decode_head
    if own.num_classes != head.text.num_classes:
        raise InputError(f'the teacher has {own.num_classes} classes, the student '
                         f'{head.text.num_classes} text embeddings: both need the same vocabulary.')
    if own.text_channels != head.text_channels:
        raise InputError(f'the teacher has text_channels={own.text_channels}, the student '
                         f'{head.text_channels}: both are dotted with the same embeddings; set '
                         "model.decode_head.text_channels to the teacher's.")
    if head.cls_bg and 0 in labeller.clip_classes:
        raise InputError('clip_classes holds class 0, the background, which has no text '
                         'embedding: leave it out.')
    if teacher.class_weight is not None:
        raise InputError('the teacher has its own class_weight: set model.class_weight '
                         "with on='teacher' or on='both' instead.")
    if teacher.refiners.closing is not None:
        raise InputError('Closing lets larger label ids grow, which makes no better labels: leave '
                         'it out of model.teacher.refine.')
    return teacher.requires_grad_(False).eval()


def fill_by_teacher(teacher: MaskClip, labeller: Labeller, labels: Tensor, img: Tensor,
                    dense: DenseFeatures, classes: Sequence[int],
                    weight: Callable[..., Tensor] | None = None) -> Tensor:
    """Label unlabelled pixels with the teacher's classes.

    What its refiners give to the background, by a threshold, an area or a
    contrast word, stays unlabelled.

    Args:
        teacher: The teacher.
        labeller: Names the student's ids of the classes, and the least score.
        labels: (B, H, W) int64.
        img: The images, (B, 3, H, W).
        dense: The teacher's features of them.
        classes: The teacher's ids of the classes it may assign.
        weight: As in :meth:`MaskClip.score_queries`.

    Returns:
        (B, H, W) int64.
    """
    if teacher.refiners.needs_queries:
        queries = teacher.candidates(classes)
        scores = teacher.score_queries(dense, queries, weight)
        return labeller.fill_chosen('clip', labels, *teacher.choose(scores, img, queries))
    padding = (teacher.score_padding(img.shape[2]), teacher.score_padding(img.shape[3]))
    return labeller.fill('clip', labels, teacher.score_classes(dense, classes, weight), padding)


def check_order(taught: str | Sequence[str] | None,
                learned: str | Sequence[str] | None) -> None:
    """Refuse vocabularies that have a class at different positions.

    Args:
        taught: The teacher's vocabulary.
        learned: The student's.

    Raises:
        InputError: If they do; names the first such class.
    """
    if taught is None or learned is None or taught == learned:
        return
    theirs, own = (load_vocabulary(one).class_names for one in (taught, learned))
    # Another word for a class is allowed, the same word for another class is not.
    for index, (name, other) in enumerate(zip(own, theirs)):
        if name != other and (name in theirs or other in own):
            raise InputError(f'class {index} is {name!r} in '
                             f'model.decode_head.vocabulary, {other!r} in '
                             'model.teacher.decode_head.vocabulary: give both the same list.')


def dense_clip(config: dict | None, teacher: MaskClip | None) -> DenseClip | None:
    """The teacher's CLIP model, as the class weight of its student needs it.

    Args:
        config: Config of the teacher, which need not be built, or None.
        teacher: The teacher, or None.
    """
    if config is None:
        return None
    fidelity = config.get('backbone', {}).get('fidelity', 'paper')
    return DenseClip(teacher_spec(config).name, fidelity, config.get('clip_checkpoint'),
                     teacher.backbone if teacher is not None else None)


def teacher_file(config: dict) -> Path:
    """The CLIP file of a teacher.

    Args:
        config: Config of a ``MaskClip``.

    Raises:
        InputError: If it names none, or one that is not there.
    """
    if config.get('clip_checkpoint') is None:
        raise InputError('the teacher has no weights: set model.teacher.clip_checkpoint to a '
                         'CLIP file, such as pretrain/ViT-B-16.pt (bash download_weights.sh).')
    return require_file(locate_weights(config['clip_checkpoint']), 'CLIP checkpoint',
                        how_to_get(teacher_spec(config)))


def teacher_spec(config: dict) -> ClipSpec:
    """The CLIP model of a teacher that is not built.

    Args:
        config: Config of a ``MaskClip``.

    Raises:
        InputError: If the model is not known.
    """
    arch = config.get('backbone', {}).get('arch', 'ViT-B/16')
    return get_spec(arch) if isinstance(arch, str) else make_spec(**arch)
