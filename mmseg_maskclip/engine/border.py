"""Errors in a config, as one sentence each."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import Iterator

from mmseg_maskclip.utils import InputError, lacks_memory


@contextmanager
def from_config(where: str, what: str = 'cannot be built from the config') -> Iterator[None]:
    """Turn whatever is raised while something of a config is used first into one sentence.

    mmcv, mmseg, timm and torch report an error in a config by any type of
    exception, some when something is built and some in the first step, so that
    its type does not distinguish it from a defect.
    ``MASKCLIP_DEBUG=1`` shows the traceback.

    Args:
        where: The part of the config, e.g. ``'model'`` or ``'data.test'``.
        what: What does not work with it.

    Raises:
        InputError: With the part of the config and the last line of the
            original error. An :class:`InputError` is passed on as it is, and so
            is a lack of memory, which has a message of its own.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        raise InputError(f'{where} {what}: {last_line(error)}. '
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
