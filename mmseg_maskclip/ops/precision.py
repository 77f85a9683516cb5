"""The precision that models run in, and where single precision matters whatever it is."""

from __future__ import annotations

import torch
from torch import Tensor

PRECISIONS = ('fp32', 'bf16', 'fp16')
_HALF = {'bf16': torch.bfloat16, 'fp16': torch.float16}


def running_in(precision: str, device: torch.device) -> torch.autocast:
    """A context in which models compute in a precision, whatever is outside of it.

    Matrix products and convolutions do; what decides between classes stays in single
    precision, see :func:`full_precision`.

    Args:
        precision: One of :data:`PRECISIONS`.
        device: Of the model.

    Example:
        >>> import torch
        >>> ones, cpu = torch.ones(1, 1), torch.device('cpu')
        >>> with running_in('bf16', cpu), running_in('fp32', cpu):
        ...     (ones @ ones).dtype
        torch.float32
    """
    if precision in _HALF:
        return torch.autocast(device.type, _HALF[precision])
    # The meta device, on which operations are counted, has no autocast to leave.
    return torch.autocast('cpu' if device.type == 'meta' else device.type, enabled=False)


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
    return running_in('fp32', like.device)
