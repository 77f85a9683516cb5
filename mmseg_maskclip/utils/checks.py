"""Checks of single values that a config, a flag or a caller gives."""

from __future__ import annotations

import math
import numbers
import unicodedata
from typing import Any, TypeVar

from mmseg_maskclip.utils.errors import InputError

Value = TypeVar('Value')
# Control characters, lone surrogates (bytes that are no UTF-8), ends of lines and paragraphs.
_NO_TEXT = ('Cc', 'Cs', 'Zl', 'Zp')
_NO_XML = '\ufffe\uffff'


def require_number(value: Value, name: str, *, minimum: float | None = None,
                   above: float | None = None, maximum: float | None = None,
                   below: float | None = None, whole: bool = False, hint: str = '') -> Value:
    """Return ``value`` if it is a finite number in a range.

    Booleans are refused although Python counts them as integers: ``seed=True``
    is a slip. NumPy's numbers are accepted.

    Args:
        value: What was given.
        name: What to call it in the error, e.g. ``'conf_thresh'``.
        minimum: The least value allowed.
        above: A bound that itself is not allowed; excludes ``minimum``.
        maximum: The greatest value allowed.
        below: A bound that itself is not allowed; excludes ``maximum``.
        whole: Whether it must be an integer; ``1.0`` is refused too.
        hint: The fix or the meaning, appended to the error, e.g. ``'0 is off'``.

    Raises:
        InputError: If it is anything else, e.g. ``"conf_thresh is '0.5', expected
            a number from 0 to 1."``
    """
    number: Any = value
    fits = (isinstance(value, numbers.Integral if whole else numbers.Real)
            and not isinstance(value, bool)
            # An integer beyond the range of floats has no float to look at.
            and (isinstance(value, numbers.Integral) or math.isfinite(value))
            and (minimum is None or number >= minimum)
            and (above is None or number > above)
            and (maximum is None or number <= maximum)
            and (below is None or number < below))
    if not fits:
        kind = 'a whole number' if whole else 'a number'
        end = f'; {hint}' if hint else ''
        raise InputError(f'{name} is {value!r}, expected {kind}'
                         f'{_range(minimum, above, maximum, below)}{end}.')
    return value


def is_one_line(text: str) -> bool:
    """Whether text files, JSON and XML can hold a name, as one line.

    Args:
        text: The name.
    """
    return text.isprintable() or not any(
        letter in _NO_XML or unicodedata.category(letter) in _NO_TEXT for letter in text)


def _range(minimum: float | None, above: float | None, maximum: float | None,
           below: float | None) -> str:
    """The allowed range in words, with a space before it; empty for any number."""
    if minimum is not None and maximum is not None:
        return f' from {minimum} to {maximum}'
    bounds = [f'{word} {bound}' for word, bound in
              (('of at least', minimum), ('above', above)) if bound is not None]
    if maximum is not None:
        bounds.append(f'at most {maximum}' if bounds else f'of at most {maximum}')
    if below is not None:
        bounds.append(f'below {below}')
    return f' {" and ".join(bounds)}' if bounds else ''
