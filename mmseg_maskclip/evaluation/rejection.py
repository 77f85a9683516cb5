"""How well a confidence tells pixels of known classes from those of none of them.

Known pixels are the positive ones: they should have the higher confidence. A
data set has too many pixels to sort, so each is counted in one of 4000 bins of
the logit of its confidence, a hundred to a unit. They are as fine near 0 and 1
as between: at 0.5 a bin is 0.0025 wide, at 0.99 it is 0.0001.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError

_PER_UNIT = 100
_LIMIT = 20
NUM_BINS = 2 * _LIMIT * _PER_UNIT


class RejectionMetrics(NamedTuple):
    """How well known pixels are told from unknown ones, each a fraction.

    Attributes:
        auroc: Area under the ROC curve: how often a known pixel has a higher
            confidence than an unknown one, equal ones counted as half.
        fpr95: Share of unknown pixels at or above the highest confidence that at least
            95 % of the known ones reach.
    """

    auroc: float
    fpr95: float


def count_confidences(confidence: np.ndarray, known: np.ndarray) -> Tensor:
    """Count pixels by their confidence; counts of several images are added.

    Args:
        confidence: In [0, 1], of any shape.
        known: Whether each pixel is of one of the classes, bool, of the same shape.

    Returns:
        (2, 4000) int64: unknown pixels, known ones, by ascending confidence. The outer bins
        hold all below 2e-9, and all above 1 - 2e-9.

    Raises:
        InputError: If the two differ in shape, or a confidence is outside [0, 1].
    """
    values = np.asarray(confidence, np.float64).ravel()
    if np.shape(confidence) != np.shape(known):
        raise InputError(f'confidences have shape {np.shape(confidence)}, what is known '
                         f'{np.shape(known)}: expected the same.')
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError('confidences are outside [0, 1] or NaN, expected probabilities.')
    with np.errstate(divide='ignore'):
        logits = np.log(values) - np.log1p(-values)
    bins = np.floor((np.clip(logits, -_LIMIT, _LIMIT) + _LIMIT) * _PER_UNIT).astype(np.int64)
    rows = np.asarray(known, bool).ravel() * NUM_BINS
    counts = np.bincount(rows + np.minimum(bins, NUM_BINS - 1), minlength=2 * NUM_BINS)
    return torch.from_numpy(counts.reshape(2, NUM_BINS))


def rejection_metrics(counts: Tensor, recall: float = 0.95) -> RejectionMetrics:
    """AUROC and FPR95 (Hendrycks & Gimpel, ICLR 2017; Liang et al., ICLR 2018).

    Args:
        counts: Of :func:`count_confidences`, summed over a data set.
        recall: Share of known pixels that must be kept.

    Returns:
        The metrics; NaN where there are no known or no unknown pixels.

    Example:
        Of four pixels two are known. Of the four pairs of a known and an unknown one
        three are in order; whoever keeps both known ones keeps one unknown one of two:

        >>> confidence = np.array([[0.9, 0.3], [0.5, 0.1]])
        >>> known = np.array([[True, True], [False, False]])
        >>> rejection_metrics(count_confidences(confidence, known))
        RejectionMetrics(auroc=0.75, fpr95=0.5)
    """
    unknown, known = counts.double()
    if not (unknown.sum() and known.sum()):
        return RejectionMetrics(float('nan'), float('nan'))
    below = unknown.cumsum(0) - unknown / 2
    auroc = float((known * below).sum() / (known.sum() * unknown.sum()))
    # From the highest confidence down, until enough of the known pixels are kept.
    kept = known.flip(0).cumsum(0) >= recall * known.sum()
    false = unknown.flip(0).cumsum(0)[int(kept.nonzero()[0])]
    return RejectionMetrics(auroc, float(false / unknown.sum()))
