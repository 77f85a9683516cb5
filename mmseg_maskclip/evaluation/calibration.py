"""Metrics over the offset that is subtracted from the scores of seen classes.

Whatever the offset, a pixel goes to its best seen or to its best unseen class.
So the pixels are counted once, by the number of offsets at which the seen
class wins, and the areas at every offset follow from these counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.evaluation.areas import LabelMap, labelled_pixels
from mmseg_maskclip.evaluation.metrics import segmentation_metrics

CURVE_METRICS = ('mIoU', 'mIoU(S)', 'mIoU(U)', 'hIoU', 'pAcc')
Best = tuple[Tensor, Tensor]
"""Class ids and scores of the pixels of an image, each (H, W)."""


def count_seen_wins(seen: Best, unseen: Best, offsets: Sequence[float]) -> Tensor:
    """At how many of some offsets the best seen class of a pixel beats its best unseen one.

    The seen class wins where its score minus the offset is larger, or equal
    with a lower id, as in an arg-max over all classes.

    Args:
        seen: Best seen class of every pixel.
        unseen: Best unseen class of every pixel.
        offsets: In any order.

    Returns:
        (H, W) int64, from 0 to the number of offsets: those at which it wins
        are the lowest ones.
    """
    wins = torch.zeros_like(seen[0])
    first = seen[0] < unseen[0]
    for offset in offsets:
        left = seen[1] - offset
        wins += (left > unseen[1]) | ((left == unseen[1]) & first)
    return wins


class OffsetCounts:
    """Pixel counts of a data set, from which areas follow at any of the offsets.

    Args:
        num_classes: Number of classes K.
        num_offsets: Number of offsets N.

    Attributes:
        counts: (5, K, N + 1) int64. By the number of offsets at which the seen
            class wins: pixels whose best seen class is k, those of them that
            are right, the same two for the best unseen class; then the
            labelled pixels, in the first column.
    """

    def __init__(self, num_classes: int, num_offsets: int) -> None:
        self.counts = torch.zeros(5, num_classes, num_offsets + 1, dtype=torch.int64)

    def add(self, seen: Tensor, unseen: Tensor, wins: Tensor, label: LabelMap,
            ignore_index: int = 255, name: str = 'the label map') -> None:
        """Count one image.

        Args:
            seen: Best seen class of every pixel, (H, W).
            unseen: Best unseen class of every pixel, (H, W).
            wins: Output of :func:`count_seen_wins`, (H, W).
            label: Ground-truth class ids, (H, W).
            ignore_index: The id of pixels that are left out.
            name: What to call the label in an error.

        Raises:
            InputError: If the two differ in shape, or an id is outside 0..K-1.
        """
        num_classes, width = self.counts.shape[1:]
        counted = np.asarray(label) != ignore_index
        columns: np.ndarray | None = None
        for row, best in ((0, seen), (2, unseen)):
            found, truth = labelled_pixels(best, label, num_classes, ignore_index, name)
            if columns is None:
                # Only now it is certain that the shapes agree.
                columns = wins.cpu().numpy()[counted]
                self.counts[4, :, 0] += torch.from_numpy(
                    np.bincount(truth, minlength=num_classes))
            for place, chosen in ((row, slice(None)), (row + 1, found == truth)):
                pairs = np.bincount(found[chosen] * width + columns[chosen],
                                    minlength=num_classes * width)
                self.counts[place] += torch.from_numpy(pairs).view(num_classes, width)


@dataclass(frozen=True)
class CalibrationCurve:
    """Metrics over the seen-class offset, all of them fractions.

    Attributes:
        offsets: Ascending, N of them.
        rows: At each offset, name -> value, of :data:`CURVE_METRICS`.
        seen_alone: The same where unseen classes never win (offset to minus infinity).
        unseen_alone: The same where seen classes never win (offset to infinity).
        area: See :func:`calibration_curve`.
    """

    offsets: tuple[float, ...]
    rows: tuple[dict[str, float], ...]
    seen_alone: dict[str, float]
    unseen_alone: dict[str, float]
    area: float

    def best(self) -> int:
        """Index of the offset with the highest hIoU; of equal ones the first."""
        values = [-1.0 if math.isnan(row['hIoU']) else row['hIoU'] for row in self.rows]
        return values.index(max(values))

    def as_dict(self) -> dict:
        """For a record: lists of one value an offset, the two ends, the area."""
        return {'offsets': list(self.offsets),
                **{name: [row[name] for row in self.rows] for name in CURVE_METRICS},
                'best_offset': self.offsets[self.best()], 'area': self.area,
                'seen_alone': self.seen_alone, 'unseen_alone': self.unseen_alone}


def calibration_curve(counts: Tensor, offsets: Sequence[float],
                      unseen_ids: Sequence[int]) -> CalibrationCurve:
    """The curve of mIoU(U) over mIoU(S), and its area (AUSUC; Chao et al., ECCV 2016, Sec. 4).

    The area is that under straight lines between the points of neighbouring
    offsets, with mIoU where the paper has accuracies. Chosen offsets need not
    reach the axes, so two points are added that need no offset: seen classes
    alone, where mIoU(U) is 0, and unseen classes alone, where mIoU(S) is 0.
    The curve thus always reaches both axes, and few offsets make it coarse but
    not short. Where mIoU(S) rises with the offset, as it can while unseen
    pixels leave the seen classes, that piece counts negatively: what remains
    is what the curve and the axes enclose. Without labelled pixels of seen or
    of unseen classes it is NaN.

    Args:
        counts: Of :class:`OffsetCounts`, summed over a data set.
        offsets: The N offsets they were counted with, in any order.
        unseen_ids: Ids of the unseen classes.
    """
    found = [_metrics(counts, column, unseen_ids) for column in range(len(offsets) + 2)]
    area = sum((one['mIoU(S)'] - other['mIoU(S)']) * (one['mIoU(U)'] + other['mIoU(U)']) / 2
               for one, other in zip(found, found[1:]))
    return CalibrationCurve(tuple(sorted(offsets)), tuple(found[1:-1]), found[0], found[-1], area)


def _metrics(counts: Tensor, column: int, unseen_ids: Sequence[int]) -> dict[str, float]:
    """Metrics where the seen class of a pixel is taken if it wins at ``column`` or more offsets.

    That is at the offset before ``column``, in ascending order; of 0 and N + 1 there is none.
    """
    pred, hit = (counts[row, :, column:].sum(1) + counts[row + 2, :, :column].sum(1)
                 for row in (0, 1))
    label = counts[4, :, 0]
    summary = segmentation_metrics(hit, pred + label - hit, pred, label, 'mIoU',
                                   unseen_ids).summary
    return {name: summary[name] for name in CURVE_METRICS}
