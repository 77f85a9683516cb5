"""Operations of matrix products and convolutions, counted while they run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(call: Callable[[], object]) -> int:
    """Operations of all matrix products and convolutions, also of those inside of attention.

    A multiply-add counts as two.

    Args:
        call: What is counted; on the meta device nothing is computed.
    """
    with _step_by_step(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


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
