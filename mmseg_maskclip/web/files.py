"""The files that the page offers, at the picture's own size."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmseg_maskclip.apis import Segmentation

FORMATS = {'png': '.png', 'coco': '.coco.json', 'labelme': '.json'}


def file_of(result: Segmentation, form: str) -> tuple[str, bytes]:
    """One result as a file.

    Args:
        result: Labels with their threshold.
        form: ``png``, ``coco`` or ``labelme``.

    Returns:
        The file's name and content.

    Raises:
        InputError: If the format is unknown.
    """
    if form not in FORMATS:
        raise InputError(f'format is {form!r}, expected one of {", ".join(FORMATS)}.')
    name = Path(result.path or 'picture').stem + FORMATS[form]
    if form == 'png':
        return name, _png(result)
    values = result.to_coco() if form == 'coco' else result.to_labelme()
    return name, json.dumps(values).encode()


def _png(result: Segmentation) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        written = result.save(folder, formats=('png',), name='labels')
        return next(path for path in written if path.suffix == '.png').read_bytes()
