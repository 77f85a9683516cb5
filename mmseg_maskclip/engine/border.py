"""The border between what a user writes in a config and this code."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import Iterator

from mmseg_maskclip.utils import InputError


@contextmanager
def from_config(where: str) -> Iterator[None]:
    """Turn whatever is raised while something of a config is built into one sentence.

    mmcv, mmseg, timm and torch check a config in their own words and with any
    kind of exception; which of them is a defect can't be told from the type.
    ``MASKCLIP_DEBUG=1`` shows the traceback.

    Args:
        where: The part of the config, e.g. ``'model'`` or ``'data.test'``.

    Raises:
        InputError: Where it stands in the config, and the last line of the
            original error; an :class:`InputError` is passed on as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f'{where} can not be built from the config: {last_line(error)}. '
                         '(MASKCLIP_DEBUG=1 shows where.)') from error


def last_line(error: BaseException) -> str:
    """Type and last line of an error, as Python prints them under a traceback.

    mmcv and mmseg raise many an error again under another's name, and check
    their arguments by assertions without a word: there the code tells more.
    """
    # A KeyError's text is the repr of its argument.
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = said.strip(' :\n').splitlines()
    if not lines and error.__context__ is not None:
        return last_line(error.__context__)
    shown = lines[-1].strip().rstrip('.') if lines else 'no more is known'
    if isinstance(error, AssertionError):
        first: BaseException = error
        while first.__context__ is not None:
            first = first.__context__
        shown = f'{shown} ({traceback.extract_tb(first.__traceback__)[-1].line})'
    return f'{type(error).__name__}: {shown}'
