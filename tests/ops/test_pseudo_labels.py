import torch

from mmseg_maskclip.ops import fill_unlabelled, ignore_unlabelled

LABELS = torch.tensor([[[-1, -1, -1, 2, 255]]])
SCORES = torch.tensor([[0.875, 0.25, 0.5, 0.125, 0.125],
                       [0.125, 0.375, 0.25, 0.0, 0.0]]).view(1, 2, 1, 5)
CLASSES = torch.tensor([4, 7])


def test_best_class_goes_to_unlabelled_pixels_alone():
    assert fill_unlabelled(LABELS, SCORES, CLASSES).tolist() == [[[4, 7, 4, 2, 255]]]


def test_a_score_below_the_threshold_is_not_enough():
    """A score equal to it is, and what has a label keeps it whatever its score."""
    for threshold, expected in ((0.25, [4, 7, 4]), (0.375, [4, 7, 4]), (0.5, [4, -1, 4]),
                                (0.625, [4, -1, -1])):
        filled = fill_unlabelled(LABELS, SCORES, CLASSES, threshold)
        assert filled.tolist() == [[[*expected, 2, 255]]], threshold


def test_without_a_threshold_any_score_will_do():
    assert fill_unlabelled(LABELS, SCORES - 1, CLASSES).tolist() == [[[4, 7, 4, 2, 255]]]


def test_scores_are_resized_bilinearly_before_the_best_is_taken():
    """Class 4 has 3/4 everywhere, class 7 rises from 0 to 1."""
    scores = torch.tensor([[0.75, 0.75], [0.0, 1.0]]).view(1, 2, 1, 2)
    rising = [0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1]
    expected = [7 if value > 0.75 else 4 for value in rising]
    assert fill_unlabelled(torch.full((1, 1, 8), -1), scores, CLASSES).tolist() == [[expected]]


def test_what_stays_unlabelled_is_ignored():
    assert ignore_unlabelled(torch.tensor([-1, 0, 4, 255])).tolist() == [255, 0, 4, 255]
