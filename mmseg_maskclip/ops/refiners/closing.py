"""Grey-scale closing of label maps (ITACLIP, Sec. 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def close_labels(labels: Tensor, size: int, none: int) -> Tensor:
    """Grey-scale closing of label *numbers*: larger ids grow into gaps of smaller ones.

    A maximum, then a minimum over windows of size x size. Pixels of no class
    stay what they are, and neither maximum nor minimum looks at them.

    Args:
        labels: (H, W) int64, ids from 0.
        size: Odd side of the window.
        none: The id of pixels of no class.

    Returns:
        (H, W) int64.

    Example:
        The gap in class 2 is closed, the speck of class 1 is not opened:

        >>> import torch
        >>> close_labels(torch.tensor([[2, 0, 2, 255, 0, 0, 1, 0, 0]]), size=3, none=255)
        tensor([[  2,   2,   2, 255,   0,   0,   1,   0,   0]])
    """
    missing = labels == none
    # Ids are exact in single precision, which max pooling knows on every device; the padding of
    # both poolings is minus infinity, so what is outside does not count.
    numbers = labels[None].float()
    grown = F.max_pool2d(numbers.masked_fill(missing, float('-inf')), size, 1, size // 2)
    shrunk = -F.max_pool2d((-grown).masked_fill(missing, float('-inf')), size, 1, size // 2)
    return shrunk[0].masked_fill(missing, none).to(labels.dtype)
