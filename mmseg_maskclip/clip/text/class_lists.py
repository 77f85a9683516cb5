"""Class lists as annotation tools write them."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Optional, Sequence

from mmseg_maskclip.utils import InputError

# name:r,g,b:parts:actions, where parts and actions are empty for plain classes.
_CVAT = re.compile(r'(?P<name>[^:]+):(?P<color>\d+,\d+,\d+)?:[^:]*:[^:]*')
_LABELME_NONE = ('__ignore__',)
_LABELME_NAMES = {'_background_': 'background'}


class ClassList(NamedTuple):
    """Names of a class list, and their colours where it has some.

    Attributes:
        names: One class an item, synonyms separated by ``;``.
        colors: RGB of each class, or None.
    """

    names: list[str]
    colors: Optional[list[tuple[int, int, int]]] = None


def parse_class_list(lines: Sequence[str], what: str) -> ClassList:
    """The classes in the lines of a text file.

    Known are one class a line; CVAT's ``labelmap.txt`` (its colours are kept);
    LabelMe's ``labels.txt``; and JSON: a list of names, or the categories of a
    COCO file.

    Args:
        lines: Of the file, stripped.
        what: What the file is, used in errors.

    Raises:
        InputError: If it starts as one of these forms and does not go on so.
    """
    text = '\n'.join(lines)
    if text[:1] in ('[', '{'):
        return ClassList(_from_json(text, what))
    if '\0' in text:
        raise InputError(f'{what} is not a text file: expected one class a line.')
    if lines and (lines[0].startswith('# label:') or _CVAT.fullmatch(lines[0])):
        return _from_cvat([line for line in lines if line and not line.startswith('#')], what)
    if any(line in (*_LABELME_NONE, *_LABELME_NAMES) for line in lines):
        return ClassList([_LABELME_NAMES.get(line, line) for line in lines
                          if line not in _LABELME_NONE])
    return ClassList(list(lines))


def _from_cvat(lines: Sequence[str], what: str) -> ClassList:
    names, colors = [], []
    for number, line in enumerate(lines, 1):
        match = _CVAT.fullmatch(line)
        if match is None:
            raise InputError(f"class {number} of {what} is {line!r}, expected CVAT's "
                             'name:r,g,b:parts:actions.')
        names.append(match['name'].strip())
        color = [int(value) for value in (match['color'] or '0,0,0').split(',')]
        if max(color) > 255:
            raise InputError(f'class {number} of {what} has the colour {match["color"]}, expected '
                             'three numbers from 0 to 255.')
        colors.append((color[0], color[1], color[2]))
    return ClassList(names, colors)


def _from_json(text: str, what: str) -> list[str]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f'{what} starts as JSON does, but is not JSON: {error}.') from error
    items = content.get('categories') if isinstance(content, dict) else content
    names: list[Any] = [item.get('name') if isinstance(item, dict) else item
             for item in items] if isinstance(items, list) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'{what} holds JSON without class names, expected a list of names or '
                         "COCO's categories.")
    return names
