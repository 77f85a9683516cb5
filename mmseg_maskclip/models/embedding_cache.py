"""Embeddings of image files, each computed once."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError, writable_dir

_WAIT_S = 60
_MODE = 'CREATE TABLE IF NOT EXISTS embeddings (image TEXT PRIMARY KEY, value BLOB NOT NULL)'


def file_key(path: str) -> str:
    """What an image file is known by: its path, size and time of change.

    Args:
        path: The file.

    Raises:
        InputError: If it can't be read.
    """
    if '://' in path:
        raise InputError(f'the image {path} of the class weight is no local file: copy the images '
                         "to this machine, or (in testing) set model.class_weight.source='input'.")
    try:
        found = os.stat(path)
    except OSError as error:
        raise InputError(f'the image {path} of the class weight can not be read: '
                         f'{error.strerror}.') from error
    return f'{os.path.abspath(path)}|{found.st_size}|{found.st_mtime_ns}'


class EmbeddingCache:
    """Exact float32 embeddings by image file, in memory and optionally on disk.

    Full is full: what is there stays, later images are computed each time.
    (Training passes over all images in a new order again and again; a cache
    that made room for the latest would by then have lost each one it is asked
    for.) Several processes may share a file on disk.

    Args:
        limit: Images kept at most, in memory and on disk.
        path: File on disk, or None for memory alone.

    Raises:
        InputError: If the limit is negative.
    """

    def __init__(self, limit: int, path: str | Path | None = None) -> None:
        if not isinstance(limit, int) or limit < 0:
            raise InputError(f'cache_size is {limit!r}, a number of images from 0 was expected.')
        self.limit = limit
        self.path = Path(path) if path else None
        self._kept: dict[str, Tensor] = {}
        self._owner: tuple[int, int] | None = None
        self._file: sqlite3.Connection | None = None

    def __getstate__(self) -> dict:
        """Copies open the file themselves."""
        return {**self.__dict__, '_owner': None, '_file': None}

    def get(self, key: str) -> Tensor | None:
        """The embedding (D,) of an image, None where it is not known.

        Args:
            key: Of :func:`file_key`.
        """
        if key not in self._kept and self.path:
            with self._database() as file:
                row = file.execute('SELECT value FROM embeddings WHERE image = ?',
                                   (key,)).fetchone()
            if row:
                value = torch.from_numpy(np.frombuffer(row[0], np.float32).copy())
                self._keep(key, value)
                return value
        return self._kept.get(key)

    def put(self, found: dict[str, Tensor]) -> None:
        """Keep embeddings, as far as there is room.

        Args:
            found: Embeddings (D,) by key, float32 on the CPU.
        """
        for key, value in found.items():
            self._keep(key, value)
        if self.path and found:
            with self._database() as file:
                # Rows are never deleted, so the last one's number is their count.
                room = self.limit - (file.execute(
                    'SELECT MAX(rowid) FROM embeddings').fetchone()[0] or 0)
                file.executemany('INSERT OR IGNORE INTO embeddings VALUES (?, ?)', [
                    (key, value.numpy().tobytes())
                    for key, value in list(found.items())[:max(room, 0)]])

    def _keep(self, key: str, value: Tensor) -> None:
        if len(self._kept) < self.limit:
            self._kept[key] = value

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The file, opened once per process and thread; a write is whole or not there."""
        owner = (os.getpid(), threading.get_ident())
        try:
            if self._owner != owner:
                writable_dir(self.path.parent, 'cache_dir of the class weight')
                self._file = sqlite3.connect(self.path, timeout=_WAIT_S)
                self._file.execute(_MODE)
                self._owner = owner
            with self._file:
                yield self._file
        except sqlite3.Error as error:
            raise InputError(f'the cache {self.path} of the class weight can not be used: '
                             f'{error}; remove it, or unset model.class_weight.cache_dir.'
                             ) from error
