"""Linear layers at rest, with weights in the order in which a CPU reads them fastest."""

from __future__ import annotations

import platform
from typing import ClassVar, Hashable

import torch
import torch.nn.functional as F
from torch import Tensor

# What torch itself runs frozen graphs with. Elsewhere than on x86 it was not measured.
_AVAILABLE = (torch.backends.mkldnn.is_available() and platform.machine() in ('x86_64', 'AMD64')
              and hasattr(torch.ops.mkldnn, '_linear_pointwise')
              and hasattr(torch.ops.mkldnn, '_reorder_linear_weight'))
# Below, the call takes longer than what it saves.
_LEAST_WEIGHTS = 512 * 512


class PackedWeights:
    """Weights of a module's linear layers as oneDNN packs them, made at their first use.

    They are a second copy, of frozen weights in single precision on a CPU. What trains, is
    exported, compiled or runs in another precision is multiplied by torch's own ``linear``, and
    keeps no copy; and so does everything under ``torch.backends.mkldnn.flags(enabled=False)``.

    Attributes:
        enabled: Whether torch and the processor are such that anything is packed, in all modules.
    """

    enabled: ClassVar[bool] = _AVAILABLE

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[int, Tensor]] = {}

    def __reduce__(self) -> tuple:
        # Packed weights can't be copied or saved, and need not be.
        return PackedWeights, ()

    def clear(self) -> None:
        """Drop all copies."""
        self._kept.clear()

    def linear(self, name: Hashable, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x W^T + b, as :func:`torch.nn.functional.linear`.

        Args:
            name: Of the weights among those of the module.
            x: (..., A).
            weight: (B, A); packed anew where it was changed in place, not through ``.data``.
            bias: (B,).

        Returns:
            (..., B).
        """
        if not _is_at_rest(x, weight):
            return F.linear(x, weight, bias)
        version = 0 if weight.is_inference() else weight._version
        kept = self._kept.get(name)
        if kept is None or kept[0] != version:
            kept = version, torch.ops.mkldnn._reorder_linear_weight(weight.detach())
            self._kept[name] = kept
        return torch.ops.mkldnn._linear_pointwise(x, kept[1], bias, 'none', [], '')


def _is_at_rest(x: Tensor, weight: Tensor) -> bool:
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    trains = weight.requires_grad or x.requires_grad
    return (PackedWeights.enabled and bool(torch.backends.mkldnn.enabled) and not trains
            and weight.numel() >= _LEAST_WEIGHTS
            and x.dtype == weight.dtype == torch.float32
            and x.device.type == weight.device.type == 'cpu'
            and not torch.is_autocast_enabled('cpu'))
