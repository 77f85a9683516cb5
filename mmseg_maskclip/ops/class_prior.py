"""An image-level prior over the classes, and how it reweights dense scores."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision

GATE_COSINE = math.log(9) / 10
"""Cosine at which sigmoid(10 cos) is 0.9, the published gate: 0.2197."""


def class_cosines(images: Tensor, text_features: Tensor) -> Tensor:
    """Cosine of the image as a whole with every class.

    Args:
        images: CLIP's image embeddings, (B, D), any norm.
        text_features: One row per class, (K, D), taken as they are: rows of a
            norm below 1 (a mean over prompts that was not L2-normalised again)
            give smaller values.

    Returns:
        (B, K).

    Raises:
        ValueError: If the two disagree on D.

    Example:
        >>> import torch
        >>> class_cosines(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
        tensor([[0.6000, 0.4000]])
    """
    if images.shape[1] != text_features.shape[1]:
        raise ValueError(f'image embeddings have width {images.shape[1]}, the text features '
                         f'{text_features.shape[1]}: they come from different CLIP models')
    with full_precision(images):
        # One image at a time: the order of summation in a matrix product may depend on the size
        # of the batch, and no label map shall depend on which images share a batch.
        return torch.stack([text_features.float() @ image
                            for image in F.normalize(images.float(), dim=1)])


def softmax_weights(cosines: Tensor, tau: float) -> Tensor:
    """w = K softmax(cos / tau): of mean 1 over the classes (class-weight fork, version 2).

    Args:
        cosines: (B, K).
        tau: Temperature; the larger, the nearer to all ones.

    Returns:
        (B, K), positive.

    Example:
        Probabilities of 1/4 and 3/4:

        >>> import torch
        >>> softmax_weights(torch.tensor([[1.0, 3.0]]).log(), tau=1.0)
        tensor([[0.5000, 1.5000]])
    """
    return cosines.shape[1] * (cosines / tau).softmax(dim=1)


def gate_weights(cosines: Tensor, weight: float, threshold: float = GATE_COSINE) -> Tensor:
    """w = ``weight`` where the cosine is above the threshold, else 1 (fork, version 1).

    Args:
        cosines: (B, K).
        weight: Weight of the classes that pass.
        threshold: Cosine to be passed.

    Returns:
        (B, K).

    Example:
        >>> import torch
        >>> gate_weights(torch.tensor([[0.30, 0.10]]), weight=3.0)
        tensor([[3., 1.]])
    """
    return (cosines > threshold).to(cosines) * (weight - 1) + 1


def multiply_scores(scores: Tensor, weights: Tensor) -> Tensor:
    """score' = w score: a negative score of a likely class becomes *lower*.

    Args:
        scores: (B, K, h, w).
        weights: (B, K).

    Returns:
        (B, K, h, w).

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.2, -0.2]).view(1, 2, 1, 1)
        >>> multiply_scores(scores, torch.tensor([[2.0, 2.0]])).flatten()
        tensor([ 0.4000, -0.4000])
    """
    return scores * weights[:, :, None, None].to(scores)


def surgery(scores: Tensor, weights: Tensor) -> Tensor:
    """Feature surgery: w score, less its mean over the queries (CLIP Surgery, Sec. 3.2).

    The mean moves no arg-max, the weights do: they are a prior from the whole image.

    Args:
        scores: (B, Q, h, w).
        weights: :func:`softmax_weights` of the class token at tau 1/2, (B, Q).

    Returns:
        (B, Q, h, w).

    Example:
        >>> import torch
        >>> surgery(torch.tensor([0.2, 0.4]).view(1, 2, 1, 1), torch.tensor([[1.5, 0.5]])).flatten()
        tensor([ 0.0500, -0.0500])
    """
    weighted = multiply_scores(scores, weights)
    return weighted - weighted.mean(dim=1, keepdim=True)


def add_log_prior(scores: Tensor, cosines: Tensor, tau: float, scale: float) -> Tensor:
    """score' = score + log(K p) / scale with p = softmax(cos / tau).

    With ``scale`` the factor that makes log-odds of scores, this is Bayes'
    rule: softmax(scale score') is proportional to p softmax(scale score).
    Log K keeps a class without a prior (a learned background) where it was.

    Args:
        scores: (B, K, h, w).
        cosines: (B, K).
        tau: Temperature of the prior.
        scale: 100 for CLIP's cosines, 1 for logits.

    Returns:
        (B, K, h, w).

    Example:
        Equal logits take over the prior, 1/4 to 3/4:

        >>> import torch
        >>> logits, cosines = torch.zeros(1, 2, 1, 1), torch.tensor([[1.0, 3.0]]).log()
        >>> add_log_prior(logits, cosines, tau=1.0, scale=1.0).softmax(dim=1).flatten()
        tensor([0.2500, 0.7500])
    """
    shift = (cosines / tau).log_softmax(dim=1) + math.log(cosines.shape[1])
    return scores + (shift / scale)[:, :, None, None].to(scores)
