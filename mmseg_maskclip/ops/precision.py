"""Where single precision matters whatever the model runs in."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(like: Tensor) -> torch.autocast:
    """A context without autocast on the device of a tensor.

    Cosines of CLIP lie close together (classes a few hundredths apart), and
    half precision would decide many pixels by rounding.

    Args:
        like: Any tensor.

    Example:
        >>> import torch
        >>> ones = torch.ones(1, 1)
        >>> with torch.autocast('cpu', dtype=torch.bfloat16), full_precision(ones):
        ...     (ones @ ones).dtype
        torch.float32
    """
    kind = like.device.type
    # The meta device, on which operations are counted, has no autocast to leave.
    return torch.autocast('cpu' if kind == 'meta' else kind, enabled=False)
