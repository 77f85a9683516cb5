"""One temperature by which probabilities are calibrated (Guo et al., arXiv 1706.04599)."""

from __future__ import annotations

import math

from torch import Tensor

_BOUNDS = (0.02, 50.0)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature that makes the labels most likely.

    Args:
        logits: Logits, or logarithms of probabilities, (N, C).
        labels: Class ids, (N,) int64.

    Returns:
        T of softmax(logits / T), from 0.02 to 50.

    Example:
        Logits of three to one, where one of two is right:

        >>> import torch
        >>> logits = torch.tensor([[3.0, 1.0], [3.0, 1.0]]).log()
        >>> fit_temperature(logits, torch.tensor([0, 1])) > 10
        True
    """
    from scipy.optimize import minimize_scalar

    # In double precision: near the optimum the likelihood hardly changes.
    logits = logits.double()

    def negative_log_likelihood(log_temperature: float) -> float:
        """Mean over the pixels."""
        shares = (logits / math.exp(log_temperature)).log_softmax(dim=1)
        return -float(shares.gather(1, labels[:, None]).mean())

    found = minimize_scalar(negative_log_likelihood, bounds=[math.log(end) for end in _BOUNDS],
                            method='bounded', options={'xatol': 1e-4})
    return math.exp(found.x)
