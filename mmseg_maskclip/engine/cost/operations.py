"""Operations of matrix products and convolutions, counted while they run."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Sequence

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(call: Callable[[], object]) -> int:
    """Operations of all matrix products and convolutions, also of those inside of attention.

    A multiply-add counts as two.

    Args:
        call: What is counted; on the meta device nothing is computed.
    """
    with _step_by_step(), FlopCounterMode(display=False, custom_mapping=_packed()) as counter:
        call()
    return counter.get_total_flops()


def _packed() -> dict[Any, Callable[..., int]]:
    """A formula for linear layers with packed weights, which the counter does not know."""
    operator = getattr(torch.ops.mkldnn, '_linear_pointwise', None)
    return {} if operator is None else {operator: _linear_operations}


def _linear_operations(x: Sequence[int], weight: Sequence[int], *_: object,
                       **__: object) -> int:
    return 2 * math.prod(x) * weight[0]


@contextmanager
def _step_by_step() -> Iterator[None]:
    """Attention as products of matrices, which the counter knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    # In eval mode torch's attention layer is one kernel, which would count as nothing.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # Fused attention has a name per device, some of which the counter does not know.
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
