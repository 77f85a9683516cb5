"""The loss of ZegCLIP."""

from __future__ import annotations

from typing import Callable

from mmseg.models.builder import LOSSES
from torch import Tensor, nn

from mmseg_maskclip.ops import IGNORED, focal_dice
from mmseg_maskclip.utils import InputError, require_number


@LOSSES.register_module()
class FocalDiceLoss(nn.Module):
    """Focal and dice loss of class masks, see :func:`~mmseg_maskclip.ops.focal_dice`.

    Args:
        mask_weight: Factor of the focal loss. 100 is the published one; ZegCLIP's code had 20
            at first, and still has it as a default.
        dice_weight: Factor of the dice loss.
        loss_weight: Factor of both.
        ignore_in_loss: Leave ignored pixels out. As published, False, they are negatives of
            every class: background, void and padding, and in the inductive mode all pixels
            of unseen classes.

    Attributes:
        mean_over_processes: Averages a tensor over the processes of a run; set by what
            trains, None before.

    Raises:
        InputError: On impossible settings.
    """

    def __init__(self, mask_weight: float = 100.0, dice_weight: float = 1.0,
                 loss_weight: float = 1.0, ignore_in_loss: bool = False) -> None:
        super().__init__()
        for name, value in (('mask_weight', mask_weight), ('dice_weight', dice_weight),
                            ('loss_weight', loss_weight)):
            require_number(value, f'loss_decode.{name}', minimum=0)
        if not isinstance(ignore_in_loss, bool):
            raise InputError(f'loss_decode.ignore_in_loss is {ignore_in_loss!r}, expected True or '
                             'False.')
        self.mask_weight = mask_weight * loss_weight
        self.dice_weight = dice_weight * loss_weight
        self.ignore_in_loss = ignore_in_loss
        self.mean_over_processes: Callable[[Tensor], Tensor] | None = None

    def forward(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The two losses.

        Args:
            logits: One mask a class, (B, K, H, W).
            labels: Class ids, (B, H, W) int64, 255 is ignored.

        Returns:
            ``loss_mask`` and ``loss_dice``, weighted.
        """
        losses = focal_dice(logits, labels, IGNORED, self.ignore_in_loss,
                            average=self.mean_over_processes)
        return {'loss_mask': self.mask_weight * losses.focal,
                'loss_dice': self.dice_weight * losses.dice}
