"""From projected patch features to class scores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision


def score_patches(features: Tensor, text_embeddings: Tensor, normalise: bool = True) -> Tensor:
    """Cosine score of every patch against every text row (MaskCLIP, Sec. 3.2).

    Args:
        features: Projected patch features, (B, D, H, W), any norm.
        text_embeddings: One unit-length row per text, (R, D).
        normalise: Bring the features to unit length first; without it the
            scores are plain dot products, as MaskCLIP+ students use them.

    Returns:
        Scores, in [-1, 1] if normalised, (B, R, H, W).

    Raises:
        ValueError: If the two disagree on D.
    """
    if features.shape[1] != text_embeddings.shape[1]:
        raise ValueError(f'features have {features.shape[1]} channels, the text embeddings '
                         f'{text_embeddings.shape[1]}: they come from different CLIP models')
    with full_precision(features):
        features = features.float() if features.dtype != torch.float64 else features
        if normalise:
            features = F.normalize(features, dim=1)
        return F.conv2d(features, text_embeddings[:, :, None, None].to(features))


def pool_rows(scores: Tensor, row_class: Tensor, num_classes: int) -> Tensor:
    """Score of a class = the best score among its text rows (synonyms).

    Args:
        scores: Scores per text row, (B, R, H, W).
        row_class: Class id of each row, (R,) int64; every class has a row.
        num_classes: K.

    Returns:
        Scores per class, (B, K, H, W).
    """
    index = row_class.view(1, -1, 1, 1).expand_as(scores)
    pooled = scores.new_full((scores.shape[0], num_classes, *scores.shape[2:]), float('-inf'))
    return pooled.scatter_reduce(1, index, scores, reduce='amax')
