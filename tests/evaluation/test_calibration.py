"""Metrics over the seen-class offset, against an arg-max at each of them."""

import math

import numpy as np
import pytest
import torch

from mmseg_maskclip.evaluation import (
    OffsetCounts,
    calibration_curve,
    count_areas,
    count_seen_wins,
    segmentation_metrics,
    sum_areas,
)
from mmseg_maskclip.ops import HeldScores, best_in_groups
from mmseg_maskclip.utils import InputError

UNSEEN, SEEN = (1, 4), (0, 2, 3)
LARGE = 10.0


def _metrics_at(images, offset):
    """Scores lowered, arg-max, areas: what a run with that offset does."""
    areas = []
    for scores, truth in images:
        lowered = scores.clone()
        lowered[list(SEEN)] -= offset
        areas.append(count_areas(lowered.argmax(0), truth, 5))
    return segmentation_metrics(*sum_areas(areas), unseen_ids=UNSEEN).summary


def _counted(images, offsets):
    counts = OffsetCounts(5, len(offsets))
    for scores, truth in images:
        seen, unseen = best_in_groups([HeldScores(scores)], (SEEN, UNSEEN), lambda values: values)
        counts.add(seen[0], unseen[0], count_seen_wins(seen, unseen, offsets), truth)
    return counts.counts


def test_every_row_is_that_of_an_arg_max_with_its_offset():
    generator = torch.Generator().manual_seed(0)
    # Eighths: many scores are equal, and sums with the offsets are exact.
    images = [(torch.randint(0, 9, (5, 30, 40), generator=generator) / 8,
               torch.randint(0, 5, (30, 40), generator=generator)) for _ in range(2)]
    images[0][1][:3] = 255
    offsets = [0.25, -0.125, 0.0, 0.5]
    counts = _counted(images, offsets)
    curve = calibration_curve(counts, offsets, UNSEEN)
    assert curve.offsets == (-0.125, 0.0, 0.25, 0.5)
    ends = [(-LARGE, curve.seen_alone), (LARGE, curve.unseen_alone)]
    for offset, row in [*zip(curve.offsets, curve.rows), *ends]:
        expected = _metrics_at(images, offset)
        assert row == pytest.approx({name: expected[name] for name in row}), offset
    assert len({row['mIoU'] for row in curve.rows}) == 4
    assert curve.best() == max(range(4), key=lambda index: curve.rows[index]['hIoU'])
    # Processes add up their counts.
    assert torch.equal(_counted(images[:1], offsets) + _counted(images[1:], offsets), counts)


def test_the_area_is_enclosed_by_the_curve_and_both_axes():
    """One class each, worked by hand: two pixels a class, of which each loses one at an offset."""
    scores = torch.tensor([[0.9, 0.6, 0.5, 0.5], [0.5, 0.5, 0.5, 0.9]])[:, None]
    truth = torch.tensor([[0, 0, 1, 1]])
    counts, offsets = OffsetCounts(2, 1), [0.2]
    seen, unseen = best_in_groups([HeldScores(scores)], ((0,), (1,)))
    counts.add(seen[0], unseen[0], count_seen_wins(seen, unseen, offsets), truth)
    curve = calibration_curve(counts.counts, offsets, (1,))
    assert (curve.seen_alone['mIoU(S)'], curve.seen_alone['mIoU(U)']) == (0.5, 0)
    assert (curve.rows[0]['mIoU(S)'], curve.rows[0]['mIoU(U)']) == (0.5, pytest.approx(2 / 3))
    assert (curve.unseen_alone['mIoU(S)'], curve.unseen_alone['mIoU(U)']) == (0, 0.5)
    assert curve.area == pytest.approx(0.5 * (2 / 3 + 0.5) / 2)
    assert curve.as_dict()['best_offset'] == 0.2


def test_without_pixels_of_one_side_the_area_is_undefined_and_others_stay():
    counts = OffsetCounts(2, 2)
    labels = torch.zeros(2, 2, dtype=torch.int64)
    counts.add(labels, labels + 1, labels + 1, labels)
    curve = calibration_curve(counts.counts, [0.0, 0.1], (1,))
    assert math.isnan(curve.area) and curve.rows[0]['mIoU(S)'] == 1 and curve.best() == 0


def test_a_label_of_another_size_is_refused():
    labels = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(InputError, match=r'a.png has shape \(3, 2\)'):
        OffsetCounts(2, 1).add(labels, labels, labels, np.zeros((3, 2)), name='a.png')
