"""Areas and metrics against hand-worked 2x2 maps and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torchmetrics import JaccardIndex
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
)

from mmseg_maskclip.evaluation import (
    class_table,
    count_areas,
    harmonic_mean,
    segmentation_metrics,
    sum_areas,
    summary_table,
)
from mmseg_maskclip.utils import InputError, to_plain

# prediction 0 0 / 1 2, truth 0 1 / 1 ignored: class 2 is absent from the truth.
PREDICTION = np.array([[0, 0], [1, 2]])
TRUTH = np.array([[0, 1], [1, 255]], dtype=np.uint8)


def test_areas_worked_by_hand():
    intersect, union, pred, label = count_areas(PREDICTION, TRUTH, 3)
    assert intersect.tolist() == [1, 1, 0]
    assert union.tolist() == [2, 2, 0]
    assert pred.tolist() == [2, 1, 0]
    assert label.tolist() == [1, 2, 0]
    assert all(area.dtype == torch.int64 for area in (intersect, union, pred, label))


def test_metrics_worked_by_hand():
    metrics = segmentation_metrics(*count_areas(PREDICTION, TRUTH, 3))
    assert metrics.per_class['IoU'][:2].tolist() == [0.5, 0.5]
    assert metrics.per_class['Acc'][:2].tolist() == [1.0, 0.5]
    assert metrics.per_class['Prec'][:2].tolist() == [0.5, 1.0]
    assert all(math.isnan(values[2]) for values in metrics.per_class.values())
    assert metrics.summary['aAcc'] == metrics.summary['pAcc'] == pytest.approx(2 / 3)
    assert metrics.summary['mIoU'] == 0.5
    assert metrics.summary['mAcc'] == 0.75
    assert metrics.summary['mPrec'] == 0.75


def test_a_pixel_of_none_of_the_classes_is_wrong():
    intersect, union, pred, label = count_areas(np.array([[0, 255], [255, 255]]), TRUTH, 3)
    assert (intersect.tolist(), union.tolist()) == ([1, 0, 0], [1, 2, 0])
    assert (pred.tolist(), label.tolist()) == ([1, 0, 0], [1, 2, 0])
    # With more classes 255 is one of them.
    areas = count_areas(np.array([[255]]), np.array([[3]]), 256)
    assert areas[2][255] == 1


def test_class_predicted_but_absent_from_truth_is_left_out():
    areas = count_areas(np.array([[0, 2]]), np.array([[0, 0]]), 3)
    metrics = segmentation_metrics(*areas)
    assert metrics.per_class['IoU'][0] == 0.5
    assert metrics.summary['mIoU'] == 0.5
    assert metrics.present.tolist() == [True, False, False]


def test_missed_class_counts_as_zero_and_has_no_precision():
    metrics = segmentation_metrics(*count_areas(np.array([[0, 0]]), np.array([[0, 1]]), 2),
                                   metrics=['mIoU', 'mFscore', 'mDice'])
    assert metrics.per_class['IoU'].tolist() == [0.5, 0.0]
    assert metrics.summary['mIoU'] == 0.25
    assert math.isnan(metrics.per_class['Prec'][1])
    assert metrics.summary['mPrec'] == 0.5
    assert metrics.per_class['Fscore'].tolist() == pytest.approx([2 / 3, 0.0])
    assert metrics.summary['mDice'] == pytest.approx(1 / 3)


def test_seen_unseen_and_harmonic_mean_by_hand():
    intersect = torch.tensor([80, 60, 20])
    areas = torch.tensor([100, 100, 100])
    metrics = segmentation_metrics(intersect, areas, areas, areas, unseen_ids=[2])
    assert metrics.summary['mIoU(S)'] == pytest.approx(0.7)
    assert metrics.summary['mIoU(U)'] == pytest.approx(0.2)
    assert metrics.summary['hIoU'] == pytest.approx(2 * 0.7 * 0.2 / 0.9)
    assert metrics.summary['mAcc(S)'] == pytest.approx(0.7)
    assert 'mPrec(S)' not in metrics.summary
    assert 'hIoU' not in segmentation_metrics(intersect, areas, areas, areas).summary


def test_harmonic_mean_at_its_ends():
    assert harmonic_mean(0.0, 0.0) == 0.0
    assert harmonic_mean(1.0, 0.0) == 0.0
    assert math.isnan(harmonic_mean(0.5, math.nan))


def test_fscore_weighs_recall_by_beta():
    # precision 1/2, recall 1: F2 = 5 * .5 / (4 * .5 + 1) = 5/6
    metrics = segmentation_metrics(torch.tensor([1]), torch.tensor([2]), torch.tensor([2]),
                                   torch.tensor([1]), metrics='mFscore', beta=2)
    assert metrics.per_class['Fscore'].item() == pytest.approx(5 / 6)


@pytest.fixture
def random_maps():
    generator = torch.Generator().manual_seed(3)
    truth = torch.randint(0, 7, (5, 31, 23), generator=generator)
    noise = torch.randint(0, 7, truth.shape, generator=generator)
    prediction = torch.where(torch.rand(truth.shape, generator=generator) < 0.6, truth, noise)
    truth[torch.rand(truth.shape, generator=generator) < 0.1] = 255
    return prediction, truth


def test_metrics_equal_torchmetrics(random_maps):
    prediction, truth = random_maps
    areas = sum_areas(count_areas(p, t, 7) for p, t in zip(prediction, truth))
    metrics = segmentation_metrics(*areas, metrics=['mIoU', 'mFscore'])
    options = {'num_classes': 7, 'ignore_index': 255}
    oracles = {'IoU': MulticlassJaccardIndex, 'Acc': MulticlassAccuracy,
               'Prec': MulticlassPrecision, 'Fscore': MulticlassF1Score}
    for name, oracle in oracles.items():
        expected = oracle(average='none', **options)(prediction, truth)
        torch.testing.assert_close(metrics.per_class[name].float(), expected)
    macro = JaccardIndex(task='multiclass', average='macro', **options)(prediction, truth)
    assert metrics.summary['mIoU'] == pytest.approx(macro.item(), abs=1e-6)
    micro = MulticlassAccuracy(average='micro', **options)(prediction, truth)
    assert metrics.summary['aAcc'] == pytest.approx(micro.item(), abs=1e-6)


def test_sum_takes_a_list_a_generator_or_one_summed_tuple(random_maps):
    per_image = [count_areas(p, t, 7) for p, t in zip(*random_maps)]
    total = sum_areas(per_image)
    assert total[3].sum() == (random_maps[1] != 255).sum()
    for other in (sum_areas(iter(per_image)), sum_areas(total)):
        assert all(torch.equal(a, b) for a, b in zip(total, other))
    first = count_areas(random_maps[0][0], random_maps[1][0], 7)
    assert torch.equal(per_image[0][0], first[0]), 'summing must not change its input'


def test_counts_stay_exact_beyond_float32():
    areas = tuple(torch.tensor([2**24 + 1]) for _ in range(4))
    assert sum_areas([areas] * 3)[0].item() == 3 * (2**24 + 1)


@pytest.mark.parametrize('truth, prediction, message', [
    ([[3, 0]], [[0, 0]], r'a\.png holds label id 3, expected 0 to 2'),
    ([[-1, 0]], [[0, 0]], r'a\.png holds label id -1'),
    ([[1, 0]], [[0, 5]], r'prediction for a\.png holds class id 5'),
    ([[1, 0], [0, 0]], [[0, 0]], r'a\.png has shape \(2, 2\).*\(1, 2\)'),
])
def test_bad_maps_name_the_file(truth, prediction, message):
    with pytest.raises(InputError, match=message):
        count_areas(np.array(prediction), np.array(truth), 3, name='a.png')


def test_predictions_on_ignored_pixels_are_not_looked_at():
    areas = count_areas(np.array([[9, 1]]), np.array([[255, 1]]), 2)
    assert areas[2].tolist() == [0, 1]
    nothing = count_areas(np.array([[9, 1]]), np.array([[255, 255]]), 2)
    assert [area.tolist() for area in nothing] == [[0, 0]] * 4


def test_unknown_metric_and_empty_results():
    areas = count_areas(PREDICTION, TRUTH, 3)
    with pytest.raises(InputError, match=r"'mIou'.*mIoU, mDice, mFscore"):
        segmentation_metrics(*areas, metrics='mIou')
    with pytest.raises(InputError, match='no image was predicted'):
        sum_areas([])
    with pytest.raises(InputError, match='shape'):
        segmentation_metrics(areas[0], areas[1], areas[2], areas[3][:2])


def test_tables_show_what_is_absent_and_what_is_undefined():
    metrics = segmentation_metrics(*count_areas(np.array([[0, 0]]), np.array([[0, 1]]), 3),
                                   unseen_ids=[1])
    rows = {line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
            for line in class_table(metrics, ['cat', 'dog', 'emu']).splitlines() if '|' in line}
    assert rows['Class'] == ['Split', 'IoU', 'Acc', 'Prec']
    assert rows['cat'] == ['seen', '50.00', '100.00', '50.00']
    assert rows['dog'] == ['unseen', '0.00', '0.00', '-']
    assert rows['emu'] == ['seen', 'absent', 'absent', 'absent']
    summary = summary_table(metrics)
    assert 'hIoU' in summary and 'mIoU(U)' in summary and 'aAcc' in summary


def test_dictionary_names_classes_and_json_has_null():
    metrics = segmentation_metrics(*count_areas(PREDICTION, TRUTH, 3))
    flat = to_plain(metrics.as_dict(['a', 'b', 'c']), nan_to_none=True)
    assert flat['IoU.a'] == 0.5
    assert flat['IoU.c'] is None
    assert flat['mIoU'] == 0.5
