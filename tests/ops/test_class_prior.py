import math

import pytest
import torch

from mmseg_maskclip.ops import (
    GATE_COSINE,
    add_log_prior,
    class_cosines,
    gate_weights,
    multiply_scores,
    softmax_weights,
)

LN2 = math.log(2)


def test_cosines_take_text_rows_as_they_are():
    """Image (3, 4) -> (.6, .8); the second row has length 1/2 and stays so."""
    cosines = class_cosines(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
    torch.testing.assert_close(cosines, torch.tensor([[0.6, 0.4]]))
    with pytest.raises(ValueError, match='width 2'):
        class_cosines(torch.ones(1, 2), torch.ones(4, 3))


def test_softmax_by_hand():
    """cos / tau = (ln 2, 0): p = (2/3, 1/3), w = 2 p."""
    weights = softmax_weights(torch.tensor([[0.25 * LN2, 0.0]]), tau=0.25)
    torch.testing.assert_close(weights, torch.tensor([[4 / 3, 2 / 3]]))


def test_mean_weight_is_one_and_an_infinite_temperature_weights_nothing():
    cosines = torch.randn(3, 59) * 0.1
    for tau in (0.05, 0.25, 1.0):
        weights = softmax_weights(cosines, tau)
        torch.testing.assert_close(weights.mean(dim=1), torch.ones(3))
        assert (weights > 0).all()
    torch.testing.assert_close(softmax_weights(cosines, 1e9), torch.ones(3, 59))
    scores = torch.randn(3, 59, 4, 5)
    for weighted in (multiply_scores(scores, softmax_weights(cosines, 1e9)),
                     add_log_prior(scores, cosines, 1e9, scale=100.0)):
        assert torch.equal(weighted.argmax(1), scores.argmax(1))


def test_gate_opens_at_the_published_cosine():
    """sigmoid(10 cos) > 0.9 is cos > ln(9) / 10 = 0.2197."""
    assert pytest.approx(0.2197, abs=5e-5) == GATE_COSINE
    assert torch.sigmoid(torch.tensor(10 * GATE_COSINE)).item() == pytest.approx(0.9)
    weights = gate_weights(torch.tensor([[0.2196, 0.2198, -0.5]]), weight=1.1)
    torch.testing.assert_close(weights, torch.tensor([[1.0, 1.1, 1.0]]))
    assert torch.equal(gate_weights(torch.randn(2, 5), weight=1.0), torch.ones(2, 5))


def test_log_prior_by_hand_is_bayes_rule():
    """p = (2/3, 1/3), K = 2: the scores move by ln(4/3) / 100 and ln(2/3) / 100."""
    scores = torch.tensor([0.1, 0.2]).view(1, 2, 1, 1)
    cosines = torch.tensor([[0.5 * LN2, 0.0]])
    moved = add_log_prior(scores, cosines, tau=0.5, scale=100.0).flatten()
    expected = [0.1 + math.log(4 / 3) / 100, 0.2 + math.log(2 / 3) / 100]
    torch.testing.assert_close(moved, torch.tensor(expected))
    likelihood = (100 * scores.flatten()).softmax(0)
    posterior = likelihood * torch.tensor([2 / 3, 1 / 3])
    torch.testing.assert_close((100 * moved).softmax(0), posterior / posterior.sum())


def test_a_negative_score_turns_the_product_around_but_not_the_sum():
    """Two equal scores of -0.1, the first class three times as likely."""
    scores = torch.full((1, 2, 1, 1), -0.1)
    cosines = torch.tensor([[math.log(3.0), 0.0]])
    product = multiply_scores(scores, softmax_weights(cosines, 1.0)).flatten()
    assert product[0] < product[1]
    total = add_log_prior(scores, cosines, 1.0, scale=1.0).flatten()
    assert total[0] > total[1]
