"""Pictures in whatever they are given in, each with a name for its results."""

from __future__ import annotations

import os
from typing import Any, Iterable, Iterator, Optional

from PIL import Image

from mmseg_maskclip.portable.listing import list_pictures
from mmseg_maskclip.portable.pictures import Picture, Source
from mmseg_maskclip.utils import InputError

Named = tuple[Source, str]
"""A picture, and what its results are called."""


def named_pictures(pictures: Any) -> tuple[Iterable[Named], Optional[int]]:
    """Pictures with names, and how many there are, None where that is not known.

    Args:
        pictures: What :func:`read_picture` takes, folders, patterns, or any of them in a list, in
            another iterable, or stacked in one array or tensor.

    Raises:
        InputError: If there are none.
    """
    if is_path(pictures) or isinstance(pictures, (bytes, Image.Image, Picture)) or getattr(
            pictures, 'ndim', 0) in (2, 3):
        pictures = [pictures]
    if not isinstance(pictures, Iterable):
        raise InputError(f'pictures are a {type(pictures).__name__}, expected a folder, files, '
                         'or a list of pictures.')
    if not isinstance(pictures, Iterator):
        pictures = list(pictures)
    if isinstance(pictures, list) and all(map(is_path, pictures)):
        files = list_pictures(pictures)
        return [(file.path, file.name) for file in files], len(files)
    # Taken one by one: there may be no end of them, or no room for all.
    counted = isinstance(pictures, list) and not any(map(is_path, pictures))
    return _named(pictures), len(pictures) if counted else None


def _named(pictures: Iterable) -> Iterator[Named]:
    taken: set[str] = set()
    for number, one in enumerate(pictures):
        files = list_pictures(one) if is_path(one) else [(one, f'picture_{number}')]
        for source, stem in files:
            name, copy = stem, 1
            while name in taken:
                copy += 1
                name = f'{stem}_{copy}'
            taken.add(name)
            yield source, name


def is_path(source: Any) -> bool:
    """Whether a picture is named, rather than given."""
    return isinstance(source, (str, os.PathLike))
