"""The two refinements of MaskCLIP's scores (MaskCLIP, Sec. 3.3)."""

from __future__ import annotations

from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision

LOGIT_SCALE = 100.0
"""Inverse temperature of the softmax inside both refinements (CLIP's own)."""

SUPPRESSED = -100.0
"""Score of a class that prompt denoising removed."""


def denoise_prompts(scores: Tensor, threshold: float) -> Tensor:
    """Prompt denoising: drop the classes that are nowhere confident.

    A class whose highest probability, softmax(100 x score) over the classes,
    stays below the threshold at every position of an image gets the score
    -100 in that image. Where no class reaches it all scores are equal, and an
    arg-max gives class 0.

    Args:
        scores: Cosine scores, (B, K, H, W).
        threshold: In (0, 1]; the paper uses 0.5.

    Returns:
        Scores, (B, K, H, W).
    """
    with full_precision(scores):
        probability = (LOGIT_SCALE * scores).softmax(dim=1)
    absent = probability.amax(dim=(2, 3), keepdim=True) < threshold
    return scores.masked_fill(absent, SUPPRESSED)


def smooth_keys(scores: Tensor, keys: Tensor, threshold: float) -> Tensor:
    """Key smoothing: average predictions over positions with similar keys.

    P = softmax(100 x score); the rows of P whose highest probability is below
    the threshold are replaced by the rows of (K K^T) P, not re-normalised
    (only the arg-max matters). The L x L affinity is never formed.

    Args:
        scores: Scores, (B, K, H, W).
        keys: Normalised key of every position, (B, H*W, C); how they are
            normalised is the backbone's business.
        threshold: In (0, 1]; the paper uses 1, which smooths every position.

    Returns:
        Class probabilities, (B, K, H, W).

    Raises:
        ValueError: If keys and scores disagree on the number of positions.
    """
    batch, classes, height, width = scores.shape
    if keys.shape[1] != height * width:
        raise ValueError(f'{keys.shape[1]} keys for {height} x {width} positions')
    with full_precision(scores):
        probability = (LOGIT_SCALE * scores).softmax(dim=1).flatten(2).transpose(1, 2)
        keys = keys.to(probability)
        smoothed = keys @ (keys.transpose(1, 2) @ probability)
    unsure = probability.amax(dim=2, keepdim=True) < threshold
    mixed = smoothed.where(unsure, probability)
    return mixed.transpose(1, 2).reshape(batch, classes, height, width)
