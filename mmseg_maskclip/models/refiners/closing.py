"""Gaps in label maps, closed."""

from __future__ import annotations

from torch import Tensor

from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.ops import IGNORED, close_labels
from mmseg_maskclip.utils import InputError, require_number


@REFINERS.register_module()
class Closing:
    """Grey-scale closing of the label numbers (ITACLIP, Sec. 3.3): larger ids fill gaps of smaller.

    Args:
        size: Odd side of the window.

    Raises:
        InputError: If it is not an odd number of at least 3.
    """

    def __init__(self, size: int = 3) -> None:
        require_number(size, 'size', minimum=3, whole=True)
        if size % 2 == 0:
            raise InputError(f'size is {size}, expected an odd number, the window has a centre.')
        self.size = size

    def __call__(self, labels: Tensor, none: int = IGNORED) -> Tensor:
        """Closed labels.

        Args:
            labels: (H, W) int64.
            none: The id that is not a class, and stays as it is.

        Returns:
            (H, W) int64.
        """
        return close_labels(labels, self.size, none)
