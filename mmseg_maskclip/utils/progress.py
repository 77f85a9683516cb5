"""The progress bar of every long task: live on a terminal, sparse in a log file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

_LOG_SECONDS = 10.0


def progress_bar(total: int | None, what: str, unit: str, shown: bool = True) -> tqdm:
    """A bar on stderr.

    Args:
        total: How many steps there will be; None where that is not known.
        what: The task, shown before the bar.
        unit: Name of one step.
        shown: False makes a silent bar.

    Returns:
        The bar; call ``update()`` and ``close()``, or use it in ``with``.
    """
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(total=total, desc=what, unit=unit, disable=not shown, mininterval=interval,
                dynamic_ncols=True)
