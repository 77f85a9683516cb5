"""Work that is done by a thread while its caller goes on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Iterator

_WAITING = 2


@contextmanager
def in_background() -> Iterator[Callable[..., None]]:
    """A thread that does what is handed to it, in order.

    The body gets a function that takes a callable and its arguments, and waits where two calls
    are not done yet. What they raise is raised there, or at the end. If the body fails, nothing
    more is begun.
    """
    begun: deque[Future] = deque()
    pool = ThreadPoolExecutor(max_workers=1)

    def hand_over(work: Callable, *arguments: Any) -> None:
        """Begin work once fewer than two wait."""
        begun.append(pool.submit(work, *arguments))
        while len(begun) > _WAITING:
            begun.popleft().result()

    try:
        yield hand_over
        while begun:
            begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
