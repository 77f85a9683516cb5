"""Where CLIP runs."""

from __future__ import annotations

import torch

from mmseg_maskclip.utils import InputError


def pick_device(name: str | None = None) -> torch.device:
    """The device to encode on.

    Args:
        name: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; None for CUDA where there is one.

    Raises:
        InputError: If there is no such device.
    """
    if name is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        cuda = ' or cuda' if torch.cuda.is_available() else ''
        raise InputError(f"device '{name}' cannot be used here, expected cpu{cuda}.") from error
    return device
