import math

import numpy as np
import pytest
import torch

from mmseg_maskclip.ops import (
    best_class,
    class_softmax,
    denoise_prompts,
    pool_rows,
    score_patches,
    smooth_keys,
)


def test_scores_are_cosines_worked_by_hand():
    features = torch.tensor([[[[3.0, 0.0]], [[4.0, 2.0]]]])
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    scores = score_patches(features, texts)
    expected = torch.tensor([[[[0.6, 0.0]], [[0.8, 1.0]], [[1.0, 0.8]]]])
    torch.testing.assert_close(scores, expected)


def test_scores_refuse_another_width():
    with pytest.raises(ValueError, match='3 channels, the text embeddings 2'):
        score_patches(torch.ones(1, 3, 2, 2), torch.ones(5, 2))


def test_pooling_takes_the_best_row_of_each_class():
    scores = torch.tensor([1.0, 5.0, 3.0, -2.0]).view(1, 4, 1, 1)
    pooled = pool_rows(scores, torch.tensor([0, 1, 1, 0]), 2)
    assert pooled.flatten().tolist() == [1.0, 5.0]


@pytest.mark.parametrize('count', [2, 63, 64, 171])
def test_the_best_class_is_the_first_of_the_highest(count):
    """Also of views, of scores that gradients flow to, and of classes that were removed."""
    torch.manual_seed(count)
    scores = torch.randint(-9, 9, (count, 7, 5)).float().requires_grad_()
    tile = torch.where(torch.arange(count) % 2 > 0, -math.inf, scores.permute(1, 2, 0))
    highest = [[max(pixel) for pixel in row] for row in tile.tolist()]
    first = [[pixel.index(max(pixel)) for pixel in row] for row in tile.tolist()]
    best, classes = best_class(tile)
    assert best.tolist() == highest and classes.tolist() == first
    assert torch.isfinite(best).all() and classes.dtype == torch.int64
    best.sum().backward()
    assert scores.grad.sum() == 35


@pytest.mark.parametrize('count', [1, 2, 14, 15, 16, 17, 40])
def test_softmax_of_few_and_of_many_classes(count):
    """Also of tiles that are views, and of scores that would overflow."""
    torch.manual_seed(count)
    scores = 60 * torch.randn(count, 6, 9)
    exact = np.exp(scores.double().numpy() - scores.double().amax(0).numpy())
    exact = np.moveaxis(exact / exact.sum(0), 0, -1)
    for given in (scores.permute(1, 2, 0), scores.permute(1, 2, 0).contiguous(),
                  scores.permute(1, 2, 0)[:, 2:5]):
        expected = exact if given.shape[1] == 9 else exact[:, 2:5]
        np.testing.assert_allclose(class_softmax(given), expected, atol=1e-6)


def test_denoising_drops_a_class_that_is_nowhere_confident():
    # 100 x 0.01 = 1 apart: probabilities e/(e+1+1) = 0.576 for the best class, 0.212 otherwise.
    scores = torch.tensor([[[0.02, 0.01, 0.01], [0.01, 0.02, 0.01]]]).transpose(1, 2)[..., None]
    probability = math.e / (math.e + 2)
    kept = denoise_prompts(scores, threshold=probability - 0.01)
    assert kept[0, :2].equal(scores[0, :2])
    assert kept[0, 2].eq(-100).all()
    assert denoise_prompts(scores, threshold=probability + 0.01).eq(-100).all()


def test_a_probability_equal_to_the_threshold_is_enough():
    """Of two equal scores each has a probability of exactly 1/2."""
    scores = torch.full((1, 2, 1, 1), 0.25)
    assert denoise_prompts(scores, threshold=0.5).equal(scores)
    smoothed = smooth_keys(scores, torch.full((1, 1, 1), 2.0), threshold=0.5)
    assert smoothed.flatten().tolist() == [0.5, 0.5]


def test_denoising_judges_each_image_alone():
    sure = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    unsure = torch.tensor([0.5, 0.5]).view(1, 2, 1, 1)
    out = denoise_prompts(torch.cat([sure, unsure]), threshold=0.6)
    assert out[0].flatten().tolist() == [1.0, -100.0]
    assert out[1].flatten().tolist() == [-100.0, -100.0]


def test_smoothing_worked_by_hand():
    # Two positions with equal keys share their predictions, the third stands alone.
    keys = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    scores = torch.tensor([[0.02, 0.01], [0.0, 0.0], [0.01, 0.02]]).t().reshape(1, 2, 1, 3)
    likely = math.e / (math.e + 1)
    out = smooth_keys(scores, keys, threshold=1.0).flatten(2)[0].t()
    shared = [likely + 0.5, 1.5 - likely]
    torch.testing.assert_close(out, torch.tensor([shared, shared, [1 - likely, likely]]))


def test_smoothing_leaves_sure_positions():
    keys = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    scores = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).t().reshape(1, 2, 1, 2)
    out = smooth_keys(scores, keys, threshold=0.9).flatten(2)[0].t()
    torch.testing.assert_close(out, torch.tensor([[1.0, 0.0], [1.5, 0.5]]))


def test_smoothing_refuses_keys_of_another_grid():
    with pytest.raises(ValueError, match='expected 2 x 2 keys, one per position, got 6'):
        smooth_keys(torch.zeros(1, 3, 2, 2), torch.zeros(1, 6, 4), threshold=1.0)
