"""What label files may be called."""

from __future__ import annotations

import os
from typing import Optional

from mmseg_maskclip.utils import is_one_line
from mmseg_maskclip.utils.files import PathLike

# Of a file's name on most file systems, less the longest suffix of ours, ".json".
_BYTES = 255 - 5


def why_unfit(name: str, file_name: str = '', source: Optional[PathLike] = None) -> str:
    """Why a picture can't have label files, as it is called; empty if it can.

    Args:
        name: Of its label files without a suffix; ``/`` parts subfolders.
        file_name: What the picture is called in them.
        source: The picture's own file, whose path stands in some formats.
    """
    parts = name.split('/')
    if not all(parts) or not {'.', '..'}.isdisjoint(parts):
        return (f"label files cannot be called {name!r}: expected a name such as 'street' or "
                "'town/street'.")
    for text in (name, file_name, '' if source is None else os.fspath(source)):
        if not is_one_line(text):
            return (f'the path {text!r} has control characters or bytes that are not UTF-8, which '
                    'label files cannot hold: rename the picture or its folder.')
    longest = max(parts, key=lambda part: len(os.fsencode(part)))
    length = len(os.fsencode(longest))
    if length > _BYTES:
        return (f'the name {longest} has {length} bytes, label files can have at most {_BYTES}: '
                'rename the picture or its folder.')
    return ''
