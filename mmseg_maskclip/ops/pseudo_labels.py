"""Pseudo-labels for unlabelled pixels: -1 is unlabelled, 255 is ignored."""

from __future__ import annotations

import torch
from torch import Tensor

from mmseg_maskclip.ops.label_maps import best_classes
from mmseg_maskclip.ops.score_maps import NO_PADDING, Padding, whole_maps

UNLABELLED = -1
IGNORED = 255


def fill_unlabelled(labels: Tensor, scores: Tensor, class_ids: Tensor,
                    threshold: float = 0.0, padding: Padding = NO_PADDING) -> Tensor:
    """Label the unlabelled pixels with the best of some classes (MaskCLIP, Sec. 3.4).

    Scores are resized bilinearly to the labels' size. Pixels that have a
    label, or are ignored, stay as they are, whatever the threshold.

    Args:
        labels: (B, H, W) int64, -1 where unlabelled.
        scores: Scores of the candidate classes, (B, C, h, w).
        class_ids: Class id of each candidate, (C,) int64.
        threshold: Pixels whose best score is below it stay unlabelled.
        padding: Pixels before and after the rows, and the columns, of the labels
            that the scores cover, too.

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
    filled = []
    for label, score in zip(labels, whole_maps(scores, (height, width), padding)):
        best, confidence = best_classes([score])
        filled.append(fill_pixels(label, best, confidence, class_ids, threshold))
    return torch.stack(filled)


def fill_pixels(labels: Tensor, best: Tensor, confidence: Tensor, class_ids: Tensor,
                threshold: float = 0.0) -> Tensor:
    """Label unlabelled pixels with candidates that are chosen already.

    Args:
        labels: (..., H, W) int64, -1 where unlabelled.
        best: Index of the best candidate, of the same shape.
        confidence: Its score.
        class_ids: Class id of each candidate, -1 for one that leaves a pixel unlabelled.
        threshold: Pixels whose score is below it stay unlabelled.

    Returns:
        (..., H, W) int64.

    Example:
        >>> import torch
        >>> fill_pixels(torch.tensor([[-1, 3, -1]]), torch.tensor([[0, 0, 1]]),
        ...             torch.ones(1, 3), torch.tensor([5, -1]))
        tensor([[ 5,  3, -1]])
    """
    fill = labels == UNLABELLED
    if threshold > 0:
        fill &= confidence >= threshold
    return torch.where(fill, class_ids[best], labels)


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
