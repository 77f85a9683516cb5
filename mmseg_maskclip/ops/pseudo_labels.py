"""Pseudo-labels for unlabelled pixels: -1 is unlabelled, 255 is ignored."""

from __future__ import annotations

import torch
from torch import Tensor

from mmseg_maskclip.ops.label_maps import best_classes
from mmseg_maskclip.ops.resize import ScoreMap, compose_resize

UNLABELLED = -1
IGNORED = 255


def fill_unlabelled(labels: Tensor, scores: Tensor, class_ids: Tensor,
                    threshold: float = 0.0) -> Tensor:
    """Label the unlabelled pixels with the best of some classes (MaskCLIP, Sec. 3.4).

    Scores are resized bilinearly to the labels' size. Pixels that have a
    label, or are ignored, stay as they are, whatever the threshold.

    Args:
        labels: (B, H, W) int64, -1 where unlabelled.
        scores: Scores of the candidate classes, (B, C, h, w).
        class_ids: Class id of each candidate, (C,) int64.
        threshold: Pixels whose best score is below it stay unlabelled.

    Returns:
        (B, H, W) int64.

    Example:
        Classes 5 and 7 compete for the -1; a score of 0.2 is not enough:

        >>> import torch
        >>> labels = torch.tensor([[[-1, 3], [-1, -1]]])
        >>> scores = torch.tensor([[[[0.9, 0.9], [0.1, 0.2]], [[0.1, 0.1], [0.8, 0.1]]]])
        >>> fill_unlabelled(labels, scores, torch.tensor([5, 7]), threshold=0.5)
        tensor([[[ 5,  3],
                 [ 7, -1]]])
    """
    height, width = labels.shape[1:]
    rows = compose_resize(scores.shape[2], height, 0, height, height, height)
    columns = compose_resize(scores.shape[3], width, 0, width, width, width)
    filled = []
    for label, score in zip(labels, scores):
        best, confidence = best_classes([ScoreMap([score], [rows], [columns])])
        fill = label == UNLABELLED
        if threshold > 0:
            fill &= confidence >= threshold
        filled.append(torch.where(fill, class_ids[best], label))
    return torch.stack(filled)


def ignore_unlabelled(labels: Tensor) -> Tensor:
    """Leave what is still unlabelled out of the loss.

    Args:
        labels: Any shape, int64.

    Returns:
        The same with 255 for -1.

    Example:
        >>> import torch
        >>> ignore_unlabelled(torch.tensor([-1, 3, 255]))
        tensor([255,   3, 255])
    """
    return labels.masked_fill(labels == UNLABELLED, IGNORED)
