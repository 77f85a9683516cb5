import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from mmseg_maskclip.evaluation import count_confusion
from mmseg_maskclip.utils import InputError


def test_rows_are_labels_and_columns_predictions():
    found, truth = np.array([[0, 1, 1], [2, 0, 1]]), np.array([[0, 0, 1], [255, 2, 1]])
    counts = count_confusion(found, truth, 3)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0]]
    # None of the classes, as a background without a class of its own is predicted.
    found[0, 1] = 255
    assert count_confusion(found, truth, 3).tolist() == [[1, 0, 0, 1], [0, 2, 0, 0], [1, 0, 0, 0]]


def test_equals_torchmetrics():
    random = np.random.RandomState(0)
    found, truth = random.randint(0, 7, (2, 30, 40))
    truth[:3] = 255
    expected = multiclass_confusion_matrix(torch.from_numpy(found), torch.from_numpy(truth), 7,
                                           ignore_index=255)
    assert torch.equal(count_confusion(found.astype(np.uint8), truth, 7)[:, :7], expected)


def test_ids_outside_are_refused():
    for found, truth, words in (([[3]], [[0]], 'prediction for x.png holds class id 3'),
                                ([[0]], [[3]], 'x.png holds label id 3')):
        with pytest.raises(InputError, match=words):
            count_confusion(np.array(found), np.array(truth), 3, name='x.png')
