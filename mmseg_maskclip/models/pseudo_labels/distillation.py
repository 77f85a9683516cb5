"""Feature distillation, besides the loss on labels (MaskCLIP, Sec. 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmseg_maskclip.ops import IGNORED, UNLABELLED, feature_distance
from mmseg_maskclip.utils import require_number


@dataclass(frozen=True)
class Distillation:
    """L1 distance to the teacher's patch features, on top of the loss on labels.

    Attributes:
        loss_weight: Factor of the distance.
        labelled: Whether labelled pixels count too; ignored ones never do.
        normalise: Whether the student's features are L2-normalised,
            as the teacher's are.
    """

    loss_weight: float = 1.0
    labelled: bool = True
    normalise: bool = True

    def __post_init__(self) -> None:
        require_number(self.loss_weight, 'distill.loss_weight', above=0,
                       hint='leave model.distill out to train on labels alone')

    def loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """The weighted distance.

        Args:
            student: The student's decoder features, (B, D, h, w).
            teacher: The teacher's, (B, D, h', w').
            labels: The given labels, (B, H, W), -1 unlabelled, 255 ignored.

        Returns:
            A scalar.
        """
        mask = labels != IGNORED if self.labelled else labels == UNLABELLED
        return self.loss_weight * feature_distance(student, teacher, mask, self.normalise)
