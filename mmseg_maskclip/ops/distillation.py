"""Bringing a student's features to a teacher's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision


def feature_distance(student: Tensor, teacher: Tensor, mask: Tensor,
                     normalise: bool = True) -> Tensor:
    """L1 distance between a student's and a teacher's feature vectors, mean over the grid.

    Both meet on the student's grid: the teacher's features, at unit length,
    are resized to it bilinearly, and a cell counts by the share of its pixels
    in the mask. (The official code resizes both to the size of the labels,
    gigabytes of features for the same distance, and takes the student's
    features without their gradient, so that its loss trains nothing. It also
    means over the channels: with unit vectors of 512 channels its gradient
    would be a thousandth of the cross entropy's.)

    Args:
        student: (B, D, h, w), any norm.
        teacher: (B, D, h', w'), any norm.
        mask: Pixels that count, (B, H, W) bool.
        normalise: Bring the student's features to unit length as well.

    Returns:
        The sum over channels, mean over cells, a scalar; 0 where no pixel
        counts.

    Raises:
        ValueError: If the two disagree on D.
    """
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(f'the student has features of width {student.shape[1]}, the teacher of '
                         f'{teacher.shape[1]}')
    grid = (student.shape[2], student.shape[3])
    with full_precision(student):
        teacher = F.interpolate(F.normalize(teacher.float(), dim=1), grid,
                                mode='bilinear', align_corners=False)
        student = student.float()
        if normalise:
            student = F.normalize(student, dim=1)
        weight = F.adaptive_avg_pool2d(mask[:, None].float(), grid)
        distance = (student - teacher).abs().sum(dim=1, keepdim=True)
        return (distance * weight).sum() / weight.sum().clamp(min=1e-6)
