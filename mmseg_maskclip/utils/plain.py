"""Nested values in Python's own types, for JSON and for files that load safely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_plain(value: Any, nan_to_none: bool = False) -> Any:
    """Configs, NumPy arrays and NumPy numbers as dicts, lists and Python's numbers.

    That is what ``json`` writes and ``torch.load(weights_only=True)`` reads.

    Args:
        value: Any nesting of mappings, lists, tuples and values. Keys become
            strings, tuples lists; what is none of these, such as a tensor or
            a path, stays as it is.
        nan_to_none: Whether NaN becomes None, since JSON has no NaN.

    Returns:
        A copy; ``value`` itself is not changed.
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, nan_to_none) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [to_plain(item, nan_to_none) for item in value]
    if nan_to_none and isinstance(value, float) and math.isnan(value):
        return None
    return value
