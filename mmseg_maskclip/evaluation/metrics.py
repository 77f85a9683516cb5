"""Metrics of semantic segmentation, also over seen and unseen classes separately."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError

METRICS = {
    'mIoU': ('IoU', 'Acc', 'Prec'),
    'mDice': ('Dice', 'Acc'),
    'mFscore': ('Fscore', 'Precision', 'Recall'),
}
_SPLIT_METRICS = ('IoU', 'Acc')


@dataclasses.dataclass(frozen=True)
class SegmentationMetrics:
    """Results of :func:`segmentation_metrics`, all of them fractions.

    Attributes:
        per_class: Name -> one value per class, (K,) float64. NaN where the
            class is absent from the ground truth or the metric undefined
            (precision of a class that was never predicted).
        summary: Name -> value over all classes; NaN where it is undefined.
        present: Which classes the ground truth holds, (K,) bool.
        unseen_ids: Class ids the summary treats as unseen; () for no split.
    """

    per_class: dict[str, Tensor]
    summary: dict[str, float]
    present: Tensor
    unseen_ids: tuple[int, ...] = ()

    def as_dict(self, class_names: Sequence[str]) -> dict[str, float]:
        """Flat ``{'mIoU': .., 'IoU.cat': .., ...}``, as mmseg names them."""
        flat = dict(self.summary)
        for metric, values in self.per_class.items():
            flat.update({f'{metric}.{name}': value
                         for name, value in zip(class_names, values.tolist())})
        return flat


def segmentation_metrics(intersect: Tensor, union: Tensor, pred: Tensor, label: Tensor,
                         metrics: str | Sequence[str] = 'mIoU',
                         unseen_ids: Sequence[int] = (),
                         beta: float = 1.0) -> SegmentationMetrics:
    """Compute metrics from areas summed over a data set.

    A class absent from the ground truth is left out of every mean. mmseg
    leaves it out only if it was never predicted either; one that is predicted
    somewhere counts there with IoU 0. The two agree wherever all classes
    occur in the ground truth, as in all published data sets. The F-score of a
    class that was missed altogether is 0 here and undefined (left out of the
    mean) in mmseg.

    Args:
        intersect: Correctly predicted pixels per class, (K,).
        union: Pixels predicted as or labelled as the class, (K,).
        pred: Pixels predicted as the class, (K,).
        label: Pixels labelled as the class, (K,).
        metrics: Some of 'mIoU', 'mDice', 'mFscore'.
        unseen_ids: Classes without annotation in training; adds mIoU(S),
            mIoU(U), their harmonic mean hIoU, mAcc(S) and mAcc(U).
        beta: Weight of recall in the F-score.

    Raises:
        InputError: For an unknown metric, or areas that differ in length.
    """
    areas = {'intersect': intersect, 'union': union, 'pred': pred, 'label': label}
    if len({tuple(area.shape) for area in areas.values()}) != 1:
        shapes = {name: tuple(area.shape) for name, area in areas.items()}
        raise InputError(f'expected areas of one shape (K,), got {shapes}.')
    areas = {name: area.double() for name, area in areas.items()}
    names = _names(metrics)
    present = areas['label'] > 0
    per_class = {name: torch.where(present, _metric(name, areas, beta), math.nan)
                 for name in names}
    # One value under two names: mmseg calls it aAcc, the published tables pAcc.
    accuracy = _divide(areas['intersect'].sum(), areas['label'].sum()).item()
    summary = {'aAcc': accuracy, 'pAcc': accuracy}
    summary.update({f'm{name}': _mean(values) for name, values in per_class.items()})
    if len(unseen_ids):
        summary.update(_split_summary(per_class, unseen_ids))
    return SegmentationMetrics(per_class, summary, present, tuple(unseen_ids))


def harmonic_mean(seen: float, unseen: float) -> float:
    """``2 S U / (S + U)``: 0 if both are 0, NaN if one is undefined."""
    total = seen + unseen
    return 0.0 if total == 0 else 2 * seen * unseen / total


def check_metrics(metrics: str | Sequence[str]) -> None:
    """Refuse unknown metrics before anything is computed.

    Args:
        metrics: As for :func:`segmentation_metrics`.

    Raises:
        InputError: If one is unknown, or there is none.
    """
    _names(metrics)


def _names(metrics: str | Sequence[str]) -> list[str]:
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown or not metrics:
        raise InputError(f'unknown metric {", ".join(map(repr, unknown)) or "(none)"}, '
                         f'expected some of {", ".join(METRICS)}.')
    return list(dict.fromkeys(name for metric in metrics for name in METRICS[metric]))


def _metric(name: str, areas: dict[str, Tensor], beta: float) -> Tensor:
    hit, pred, label = areas['intersect'], areas['pred'], areas['label']
    if name == 'IoU':
        return _divide(hit, areas['union'])
    if name in ('Acc', 'Recall'):
        return _divide(hit, label)
    if name in ('Prec', 'Precision'):
        return _divide(hit, pred)
    weight = beta**2 if name == 'Fscore' else 1.0
    return _divide((1 + weight) * hit, weight * label + pred)


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    return torch.where(denominator > 0, numerator / denominator, math.nan)


def _mean(values: Tensor) -> float:
    return torch.nanmean(values).item()


def _split_summary(per_class: dict[str, Tensor], unseen_ids: Sequence[int]) -> dict[str, float]:
    """Means over seen (S) and unseen (U) classes, and hIoU."""
    split = {}
    for name in _SPLIT_METRICS:
        if name not in per_class:
            continue
        values = per_class[name]
        unseen = torch.zeros(len(values), dtype=torch.bool)
        unseen[list(unseen_ids)] = True
        split[f'm{name}(S)'] = _mean(values[~unseen])
        split[f'm{name}(U)'] = _mean(values[unseen])
        if name == 'IoU':
            split['hIoU'] = harmonic_mean(split['mIoU(S)'], split['mIoU(U)'])
    return split
