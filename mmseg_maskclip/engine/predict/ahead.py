"""Pictures read and resized by threads while the model is busy with the ones before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Optional, Union

import torch
from mmseg.datasets.pipelines import Compose

from mmseg_maskclip.engine.predict.encode import prepare
from mmseg_maskclip.portable.pictures import Picture, Source, read_picture
from mmseg_maskclip.portable.sources import Named, is_path, named_pictures
from mmseg_maskclip.utils import InputError

_AHEAD = 2
# One reads faster than a CPU labels; a GPU would wait for it.
_GPU_READERS = 4


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
        sources: The pictures, and what their label files are called.
        total: How many there are, None where that is not known before.
        pipeline: As for :func:`prepare`.
        max_pixels: As for :func:`read_picture`.
        size: The most pictures of a group.
        readers: How many threads read.
    """

    def __init__(self, sources: Iterable[Named], total: Optional[int], pipeline: Compose,
                 max_pixels: int, size: int, readers: int = 1) -> None:
        self.total = total
        self._sources = sources
        self._pipeline = pipeline
        self._max_pixels = max_pixels
        self._size = size
        self._readers = readers

    def __iter__(self) -> Iterator[Group]:
        group = Group()
        for one in self._read_ahead():
            if isinstance(one, Prepared):
                if group.pictures and _shapes(one) != _shapes(group.pictures[0]):
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
        with ThreadPoolExecutor(max_workers=self._readers) as pool:
            for source, name in self._sources:
                waiting.append(pool.submit(self._prepare, source, name))
                # Few at a time: what is read ahead is held in memory.
                if len(waiting) > max(self._size, self._readers, _AHEAD):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _prepare(self, source: Source, name: str) -> Union[Prepared, tuple[str, str]]:
        try:
            picture = replace(read_picture(source, self._max_pixels), name=name)
            return Prepared(picture, prepare(self._pipeline, picture))
        except InputError as error:
            return os.fspath(source) if is_path(source) else 'a picture', str(error)


def prepared_ahead(pictures: Any, pipeline: Compose, max_pixels: int, size: int,
                   device: torch.device) -> Groups:
    """Read pictures while others are being labelled.

    Args:
        pictures: What :func:`read_picture` takes, folders, patterns, or any of them in a
            list, in another iterable, or stacked in one array or tensor.
        pipeline: As for :func:`prepare`.
        max_pixels: As for :func:`read_picture`.
        size: The most pictures of a group.
        device: Where they are labelled.

    Raises:
        InputError: If there are none.
    """
    sources, total = named_pictures(pictures)
    readers = 1 if device.type == 'cpu' else min(_GPU_READERS, os.cpu_count() or 1)
    return Groups(sources, total, pipeline, max_pixels, size, readers)


def _shapes(prepared: Prepared) -> list:
    return [image.shape for image in prepared.sample['img']]
