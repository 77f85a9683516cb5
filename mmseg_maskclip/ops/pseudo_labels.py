"""Pseudo-labels for unlabelled pixels: -1 is unlabelled, 255 is ignored."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from mmseg_maskclip.ops.label_maps import best_classes
from mmseg_maskclip.ops.resize import ScoreMap, compose_resize

UNLABELLED = -1
IGNORED = 255


def fill_unlabelled(labels: Tensor, scores: Tensor, class_ids: Tensor,
                    threshold: float = 0.0,
                    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))) -> Tensor:
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
    filled = []
    for label, score in zip(labels, maps_of(scores, labels.shape[1:], padding)):
        best, confidence = best_classes([score])
        filled.append(fill_pixels(label, best, confidence, class_ids, threshold))
    return torch.stack(filled)


def maps_of(scores: Tensor, size: Sequence[int],
            padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
            ) -> list[ScoreMap]:
    """Score maps of the images of a batch, at the size of the network's input.

    Args:
        scores: (B, C, h, w).
        size: (H, W).
        padding: As in :func:`fill_unlabelled`.

    Example:
        >>> import torch
        >>> [score.size for score in maps_of(torch.zeros(2, 3, 4, 4), (32, 16))]
        [(32, 16), (32, 16)]
    """
    height, width = size
    rows = compose_resize(scores.shape[2], height, 0, height, height, height, padding=padding[0])
    columns = compose_resize(scores.shape[3], width, 0, width, width, width, padding=padding[1])
    return [ScoreMap([score], [rows], [columns]) for score in scores]


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
