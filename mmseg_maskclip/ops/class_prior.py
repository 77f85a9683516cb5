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
    """What the image as a whole has in common with every class.

    Args:
        images: CLIP's image embeddings, (B, D), any norm.
        text_features: One row per class, (K, D), taken as they are: rows
            shorter than unit length (a mean over prompts that was not
            renormalised) give smaller values.

    Returns:
        (B, K).

    Raises:
        ValueError: If the two disagree on D.
    """
    if images.shape[1] != text_features.shape[1]:
        raise ValueError(f'image embeddings have width {images.shape[1]}, the text features '
                         f'{text_features.shape[1]}: they come from different CLIP models')
    with full_precision(images):
        # One by one: how a product is summed may depend on the size of the batch.
        return torch.stack([text_features.float() @ image
                            for image in F.normalize(images.float(), dim=1)])


def softmax_weights(cosines: Tensor, tau: float) -> Tensor:
    """w = K softmax(cos / tau): of mean 1 over the classes (class-weight fork, version 2).

    Args:
        cosines: (B, K).
        tau: Temperature; the larger, the nearer to all ones.

    Returns:
        (B, K), positive.
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
    """
    return (cosines > threshold).to(cosines) * (weight - 1) + 1


def multiply_scores(scores: Tensor, weights: Tensor) -> Tensor:
    """score' = w score: a negative score of a likely class becomes *lower*.

    Args:
        scores: (B, K, h, w).
        weights: (B, K).

    Returns:
        (B, K, h, w).
    """
    return scores * weights[:, :, None, None].to(scores)


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
    """
    shift = (cosines / tau).log_softmax(dim=1) + math.log(cosines.shape[1])
    return scores + (shift / scale)[:, :, None, None].to(scores)
