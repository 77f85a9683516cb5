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
    """
    return torch.autocast(like.device.type, enabled=False)
