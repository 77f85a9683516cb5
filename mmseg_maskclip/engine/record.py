"""What is recorded with every result."""

from __future__ import annotations

import time
from pathlib import Path

from mmseg_maskclip.utils.records import versions, write_json

__all__ = ['timestamp', 'unused_name', 'versions', 'write_json']


def timestamp() -> str:
    """Local time as in mmseg's file names."""
    return time.strftime('%Y%m%d_%H%M%S', time.localtime())


def unused_name(path: Path) -> Path:
    """``path``, or the next free name if a run of the same second has taken it.

    Args:
        path: The preferred name.
    """
    found, count = path, 1
    while found.exists():
        found = path.with_name(f'{path.stem}_{count}{path.suffix}')
        count += 1
    return found
