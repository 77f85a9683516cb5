"""The two refinements of MaskCLIP's scores (MaskCLIP, Sec. 3.3)."""

from __future__ import annotations

from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision

LOGIT_SCALE = 100.0
"""Inverse temperature of the softmax inside both refinements (CLIP's own)."""

SUPPRESSED = -100.0
"""Score of a class that prompt denoising removed."""


def denoise_prompts(scores: Tensor, threshold: float) -> Tensor:
    """Prompt denoising: suppress the classes that are nowhere confident.

    A class whose highest probability, softmax(100 x score) over the classes,
    stays below the threshold at every position of an image gets the score
    -100 in that image. Where no class reaches it, all scores are equal and an
    arg-max gives class 0.

    Args:
        scores: Cosine scores, (B, K, H, W).
        threshold: In (0, 1]; the paper uses 0.5.

    Returns:
        Scores, (B, K, H, W).

    Example:
        One position; softmax(30, 30, 10) is (1/2, 1/2, 0):

        >>> import torch
        >>> denoise_prompts(torch.tensor([0.3, 0.3, 0.1]).view(1, 3, 1, 1), 0.4).flatten()
        tensor([   0.3000,    0.3000, -100.0000])
    """
    return scores.masked_fill(absent_classes(scores, threshold), SUPPRESSED)


def absent_classes(scores: Tensor, threshold: float, num_kept: int = 0) -> Tensor:
    """Classes that :func:`denoise_prompts` removes.

    Args:
        scores: Cosine scores, (B, K, H, W).
        threshold: As there.
        num_kept: So many of the last classes are never removed.

    Returns:
        (B, K, 1, 1) bool.

    Example:
        >>> import torch
        >>> absent_classes(torch.tensor([0.3, 0.3, 0.1]).view(1, 3, 1, 1), 0.4).flatten()
        tensor([False, False,  True])
    """
    with full_precision(scores):
        probability = (LOGIT_SCALE * scores).softmax(dim=1)
    absent = probability.amax(dim=(2, 3), keepdim=True) < threshold
    if num_kept:
        absent[:, -num_kept:] = False
    return absent


def smooth_keys(scores: Tensor, keys: Tensor, threshold: float) -> Tensor:
    """Key smoothing: average predictions over positions with similar keys.

    P = softmax(100 x score); the rows of P whose highest probability is below
    the threshold are replaced by the rows of (K K^T) P, not re-normalised
    (only the arg-max matters). The L x L affinity is never formed.

    Args:
        scores: Scores, (B, K, H, W).
        keys: Normalised key of every position, (B, H*W, C); the backbone
            decides how they are normalised.
        threshold: In (0, 1]; the paper uses 1, which smooths every position.

    Returns:
        Class probabilities, (B, K, H, W).

    Raises:
        ValueError: If keys and scores disagree on the number of positions.

    Example:
        Two positions with equal keys, the first sure of class 0, the second
        torn between both; it gets the sum of (1, 0) and (1/2, 1/2):

        >>> import torch
        >>> scores = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).view(1, 2, 1, 2)
        >>> smooth_keys(scores, torch.ones(1, 2, 1), threshold=0.9).squeeze().round(decimals=3)
        tensor([[1.0000, 1.5000],
                [0.0000, 0.5000]])
    """
    batch, classes, height, width = scores.shape
    if keys.shape[1] != height * width:
        raise ValueError(f'expected {height} x {width} keys, one per position, got {keys.shape[1]}')
    with full_precision(scores):
        probability = (LOGIT_SCALE * scores).softmax(dim=1).flatten(2).transpose(1, 2)
        keys = keys.to(probability)
        # The product is grouped so that the (L, L) affinity keys @ keys.T never exists.
        smoothed = keys @ (keys.transpose(1, 2) @ probability)
    unsure = probability.amax(dim=2, keepdim=True) < threshold
    mixed = smoothed.where(unsure, probability)
    return mixed.transpose(1, 2).reshape(batch, classes, height, width)
