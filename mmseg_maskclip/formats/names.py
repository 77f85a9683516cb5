"""What label files may be called."""

from __future__ import annotations

import os
from typing import Optional

from mmseg_maskclip.utils import InputError
from mmseg_maskclip.utils.files import PathLike

# Of a file's name on most file systems, less the longest suffix of ours, ".json".
_BYTES = 255 - 5


def require_name(name: str, source: Optional[PathLike] = None) -> None:
    """Check the name that label files of a picture get.

    Args:
        name: Without a suffix; ``/`` parts subfolders.
        source: The picture's own file, whose path stands in some formats.

    Raises:
        InputError: If it leads out of the folder, is too long, or is not UTF-8, as most
            formats are.
    """
    parts = name.split('/')
    if not all(parts) or not {'.', '..'}.isdisjoint(parts):
        raise InputError(f'label files cannot be called {name!r}: expected a name such as '
                         "'street' or 'town/street'.")
    for text in (name, '' if source is None else os.fspath(source)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f'the path {text!a} is not UTF-8, as label files are: rename '
                             'the picture or its folder.') from error
    longest = max(parts, key=lambda part: len(part.encode()))
    if len(longest.encode()) > _BYTES:
        raise InputError(f'the name {longest} has {len(longest.encode())} bytes, label files can '
                         f'have at most {_BYTES}: give the picture a shorter one.')
