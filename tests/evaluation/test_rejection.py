"""AUROC and FPR95 from counts, against torchmetrics and sorted pixels."""

import doctest
import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from mmseg_maskclip.evaluation import count_confidences, rejection, rejection_metrics
from mmseg_maskclip.utils import InputError


def test_counts_of_two_images_equal_sorted_pixels():
    random = np.random.RandomState(0)
    # The middles of every tenth bin: equal confidences stay equal, others stay apart.
    logits = np.rint(random.normal(2, 6, (2, 30, 40)) * 10) / 10 + 0.005
    confidence = 1 / (1 + np.exp(-logits))
    known = logits + random.normal(0, 5, logits.shape) > 2
    counts = sum(count_confidences(*image) for image in zip(confidence, known))
    found = rejection_metrics(counts)
    # torchmetrics takes what lies in [0, 1] as it is; a line keeps the order and near 1 the digits.
    expected = binary_auroc(torch.from_numpy(0.5 + logits / 200).flatten(),
                            torch.from_numpy(known).flatten().int())
    assert found.auroc == pytest.approx(float(expected))
    kept = np.sort(confidence[known])[::-1][math.ceil(0.95 * known.sum()) - 1]
    assert found.fpr95 == (confidence[~known] >= kept).mean()
    assert 0.6 < found.auroc < 0.95 and 0.2 < found.fpr95 < 0.9


def test_confidences_close_to_0_and_1_stay_apart():
    pairs = np.array([[1e-6, 1e-7], [1 - 1e-7, 1 - 1e-6], [1.0, 1 - 1e-8]])
    for pair in pairs:
        counts = count_confidences(pair, np.array([True, False]))
        assert rejection_metrics(counts) == (1, 0)
    counts = count_confidences(np.array([1.0, 1.0]), np.array([True, False]))
    assert rejection_metrics(counts) == (0.5, 1)


def test_without_known_or_unknown_pixels_there_is_nothing_to_tell():
    for known in (True, False):
        counts = count_confidences(np.full((2, 2), 0.5), np.full((2, 2), known))
        assert all(math.isnan(value) for value in rejection_metrics(counts))


@pytest.mark.parametrize(('confidence', 'words'), [
    (np.zeros((2, 3)), r'shape \(2, 3\)'), (np.full((2, 2), 1.5), r'outside \[0, 1\]'),
    (np.full((2, 2), np.nan), 'NaN')])
def test_what_is_no_confidence_is_refused(confidence, words):
    with pytest.raises(InputError, match=words):
        count_confidences(confidence, np.ones((2, 2), bool))


def test_the_example_is_true():
    assert doctest.testmod(rejection) == (0, 3)
