"""Pictures read and resized by a thread while the model is busy with the ones before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union

import numpy as np
from mmseg.datasets.pipelines import Compose
from torch import Tensor

from mmseg_maskclip.engine.predict.encode import prepare
from mmseg_maskclip.engine.predict.listing import list_pictures
from mmseg_maskclip.engine.predict.pictures import Picture, Source, read_picture
from mmseg_maskclip.utils import InputError

_AHEAD = 2
# Iterables that are one picture.
_ONE = (str, bytes, np.ndarray, Tensor)


class Prepared(NamedTuple):
    """A picture, and the network's inputs that were made of it.

    Attributes:
        picture: The picture.
        sample: Output of :func:`prepare`.
    """

    picture: Picture
    sample: dict


@dataclass
class Group:
    """Pictures in a row whose network inputs have one shape.

    Attributes:
        pictures: Those that were read.
        unreadable: (path, why) of the others.
    """

    pictures: list[Prepared] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


class Groups:
    """The groups of some pictures, in their order.

    Args:
        sources: The pictures.
        pipeline: As for :func:`prepare`.
        max_pixels: As for :func:`read_picture`.
        size: The most pictures of a group.

    Attributes:
        total: How many pictures there are.
    """

    def __init__(self, sources: Sequence[Source], pipeline: Compose, max_pixels: int,
                 size: int) -> None:
        self.total = len(sources)
        self._sources = sources
        self._pipeline = pipeline
        self._max_pixels = max_pixels
        self._size = size

    def __iter__(self) -> Iterator[Group]:
        group = Group()
        for one in self._read_ahead():
            if isinstance(one, Prepared):
                if group.pictures and (len(group.pictures) == self._size
                                       or _shapes(one) != _shapes(group.pictures[0])):
                    yield group
                    group = Group()
                group.pictures.append(one)
            else:
                group.unreadable.append(one)
            if len(group.pictures) + len(group.unreadable) >= self._size:
                yield group
                group = Group()
        if group.pictures or group.unreadable:
            yield group

    def _read_ahead(self) -> Iterator[Union[Prepared, tuple[str, str]]]:
        waiting: deque[Future] = deque()
        with ThreadPoolExecutor(max_workers=1) as pool:
            for source in self._sources:
                waiting.append(pool.submit(self._prepare, source))
                # Few at a time: what is read ahead is held in memory.
                if len(waiting) > max(self._size, _AHEAD):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _prepare(self, source: Source) -> Union[Prepared, tuple[str, str]]:
        try:
            picture = read_picture(source, self._max_pixels)
            return Prepared(picture, prepare(self._pipeline, picture))
        except InputError as error:
            name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else 'a picture'
            return name, str(error)


def prepared_ahead(pictures: Any, pipeline: Compose, max_pixels: int, size: int) -> Groups:
    """Read pictures while others are being labelled.

    Args:
        pictures: Files, folders, patterns, or an iterable of what :func:`read_picture` takes.
        pipeline: As for :func:`prepare`.
        max_pixels: As for :func:`read_picture`.
        size: The most pictures of a group.

    Raises:
        InputError: If there are none.
    """
    many = isinstance(pictures, Iterable) and not isinstance(pictures, _ONE)
    sources = list(pictures) if many else [pictures]
    if all(isinstance(one, (str, os.PathLike)) for one in sources):
        sources = [file.path for file in list_pictures(sources)]
    return Groups(sources, pipeline, max_pixels, size)


def _shapes(prepared: Prepared) -> list:
    return [image.shape for image in prepared.sample['img']]
