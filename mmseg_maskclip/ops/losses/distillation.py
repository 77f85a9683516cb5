"""Feature distillation: a student's features are pulled towards its teacher's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision


def feature_distance(student: Tensor, teacher: Tensor, mask: Tensor,
                     normalise: bool = True) -> Tensor:
    """L1 distance between a student's and a teacher's feature vectors, mean over the grid.

    Both are compared on the student's grid: the teacher's features,
    L2-normalised, are resized to it bilinearly, and a cell counts by the share
    of its pixels in the mask. (The official code resizes both to the size of
    the labels, gigabytes of features for the same distance, and detaches the
    student's features, so that its loss trains nothing. It also takes the mean
    over the channels: with unit vectors of 512 channels its gradient would be a
    thousandth of the cross entropy's.)

    Args:
        student: (B, D, h, w), any norm.
        teacher: (B, D, h', w'), any norm.
        mask: Pixels that count, (B, H, W) bool.
        normalise: L2-normalise the student's features as well.

    Returns:
        Sum over channels, mean over cells, a scalar; 0 where no pixel counts.

    Raises:
        ValueError: If the two disagree on D.

    Example:
        Orthogonal unit vectors, |1 - 0| + |0 - 1|:

        >>> import torch
        >>> student = torch.tensor([5.0, 0.0]).view(1, 2, 1, 1)
        >>> teacher = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
        >>> feature_distance(student, teacher, torch.ones(1, 1, 1, dtype=torch.bool))
        tensor(2.)
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
