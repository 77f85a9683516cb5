"""Wall-clock time of functions."""

from __future__ import annotations

import time
from typing import Callable

import torch


def timed_turns(candidates: dict[str, Callable[[], object]], repeats: int,
                device: torch.device) -> dict[str, list[float]]:
    """Seconds of several functions, taken in turns so that drift hits all alike.

    Args:
        candidates: Name and function of each.
        repeats: Timed calls of each, after one untimed.
        device: Waited for around every call.

    Returns:
        Seconds of each turn by name.
    """
    def wait() -> None:
        """Until the device is done; others are at once."""
        if device.type == 'cuda':
            torch.cuda.synchronize(device)

    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + 1):
        for name, call in candidates.items():
            wait()
            started = time.perf_counter()
            call()
            wait()
            if turn:
                taken[name].append(time.perf_counter() - started)
    return taken
