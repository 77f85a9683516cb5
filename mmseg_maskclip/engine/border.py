"""Errors in a config, as one sentence each."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import Iterator

from mmseg_maskclip.utils import InputError


@contextmanager
def from_config(where: str) -> Iterator[None]:
    """Turn whatever is raised while something of a config is built into one sentence.

    mmcv, mmseg, timm and torch report an error in a config by any type of
    exception, so that its type does not distinguish it from a defect.
    ``MASKCLIP_DEBUG=1`` shows the traceback.

    Args:
        where: The part of the config, e.g. ``'model'`` or ``'data.test'``.

    Raises:
        InputError: With the part of the config and the last line of the
            original error; an :class:`InputError` is passed on as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f'{where} cannot be built from the config: {last_line(error)}. '
                         '(MASKCLIP_DEBUG=1 shows where.)') from error


def last_line(error: BaseException) -> str:
    """Type and last line of an error, as Python prints them under a traceback.

    mmcv and mmseg raise errors again as another type, and check arguments by
    assertions without a message: for these the failed line of code is added.
    """
    # A KeyError's text is the repr of its argument.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = text.strip(' :\n').splitlines()
    if not lines and error.__context__ is not None:
        return last_line(error.__context__)
    shown = lines[-1].strip().rstrip('.') if lines else 'no message'
    if isinstance(error, AssertionError):
        first: BaseException = error
        while first.__context__ is not None:
            first = first.__context__
        shown = f'{shown} ({traceback.extract_tb(first.__traceback__)[-1].line})'
    return f'{type(error).__name__}: {shown}'
