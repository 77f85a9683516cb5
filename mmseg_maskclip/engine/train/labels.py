"""Whether a model can learn from the labels of a training set, told before the run."""

from __future__ import annotations

from typing import Any

from mmseg.datasets.pipelines import LoadAnnotations
from torch import nn

from mmseg_maskclip.datasets import LoadLabels, OpenVocabularyMixin
from mmseg_maskclip.datasets.checking import parts_of
from mmseg_maskclip.models import MaskClipPlus, ZegClip
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError


def check_labels(model: nn.Module, dataset: Any) -> None:
    """Refuse labels that a model can't use, and settle which may be given.

    Args:
        model: The student.
        dataset: The training set.

    Raises:
        InputError: If no pixel ever has a label, unlabelled pixels are left to
            a model that does not know them, or labels are ignored by another id.
    """
    parts = list(parts_of(dataset))
    own = [part for part in parts if isinstance(part, OpenVocabularyMixin)]
    if own:
        _require_ignored(model)
    partly = any(part.missing_labels == 'unlabelled' for part in own)
    withheld = {index for part in own for index in part.unlabelled_ids}
    if isinstance(model, ZegClip):
        _check_zegclip(model, dataset, parts)
        return
    if not isinstance(model, MaskClipPlus):
        if withheld or partly:
            setting = 'missing_labels' if partly else 'unlabelled'
            raise InputError(f'data.train.{setting} leaves pixels without a label, which '
                             f'{type(model).__name__} does not know: take a MaskClipPlus model '
                             f'(configs/maskclip_plus), or leave {setting} out.')
        return
    if not model.labeller.used:
        if not model.distillation:
            _require_labels(dataset, withheld, partly)
        return
    if partly:
        # Without the setting, a label of a class that is to be unlabelled is a leak.
        model.labeller.take_labels(withheld)
    for part in parts:
        steps = getattr(getattr(part, 'pipeline', None), 'transforms', [])
        if part not in own and any(isinstance(step, LoadAnnotations) for step in steps):
            raise InputError(
                f'model.labelling labels unlabelled pixels, but data.train is '
                f"{type(part).__name__} with 'LoadAnnotations', which leaves none: take a data "
                'set of this project, such as class X(OpenVocabularyMixin, CustomDataset) in '
                "docs/custom_data.md, with unlabelled='all' or 'unseen', and 'LoadLabels' in its "
                'pipeline.')


def _check_zegclip(model: ZegClip, dataset: Any, parts: list) -> None:
    """Refuse training sets whose labels are not those of the mode."""
    model.require_trainable()
    names, wanted = dataset.CLASSES, set() if model.mode == 'supervised' else set(model.unseen)
    for part in parts:
        if getattr(part, 'missing_labels', 'error') == 'unlabelled':
            raise InputError("data.train.missing_labels is 'unlabelled': ZegClip learns the seen "
                             'classes from labels of every image, leave it out.')
        withheld = _withheld(part)
        for index in sorted(wanted ^ withheld):
            if index in wanted:
                raise InputError(
                    f'{names[index]!r} is an unseen class of model.unseen, but labelled in '
                    f"data.train: set data.train.unlabelled='unseen', and the same classes in "
                    'model.unseen and data.train.unseen.')
            setting = 'None' if model.mode == 'supervised' else "'unseen'"
            raise InputError(
                f'data.train withholds the labels of {names[index]!r}, which the {model.mode} '
                f'mode learns from: set data.train.unlabelled={setting}, and the same classes '
                'in model.unseen and data.train.unseen.')


def _withheld(part: Any) -> set[int]:
    """Classes whose labels a training set does not give: its own, and its loader's."""
    steps = getattr(getattr(part, 'pipeline', None), 'transforms', [])
    found = set(getattr(part, 'unlabelled_ids', ()))
    for step in steps:
        if isinstance(step, LoadLabels):
            found.update(step.suppress_labels)
    return found


def _require_labels(dataset: Any, withheld: set[int], partly: bool) -> None:
    """Refuse a run in which no pixel ever has a label, or images are of no use."""
    if withheld.issuperset(range(len(dataset.CLASSES))):
        raise InputError('there is nothing to learn from: data.train.unlabelled withholds the '
                         'labels of all classes, and no stage of model.labelling gives '
                         'pseudo-labels: set model.labelling.clip_guided=(1,-1), or '
                         'data.train.unlabelled=None.')
    if partly:
        raise InputError("data.train.missing_labels is 'unlabelled', and no stage of "
                         'model.labelling labels these images, which are of no use then: set '
                         'model.labelling.clip_guided=(1,-1), or leave it out.')


def _require_ignored(model: nn.Module) -> None:
    """Data sets of ours hand over 255 for what is ignored, whatever the files hold."""
    for name, module in model.named_modules():
        ignored = getattr(module, 'ignore_index', IGNORED)
        # PyTorch's own losses have a default below 0, and mmseg gives them the head's.
        if isinstance(ignored, int) and ignored not in (IGNORED, -100):
            raise InputError(f'model.{name}.ignore_index is {ignored}, labels arrive with '
                             f'{IGNORED} for what is ignored: leave it at {IGNORED}, and name the '
                             'ids that the label files hold in ignore_index of data.train, '
                             'data.val and data.test.')
