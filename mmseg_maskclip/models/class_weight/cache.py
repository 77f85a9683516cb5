"""Embeddings of image files, each computed once."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError, require_number, writable_dir

# How long a process waits while another one writes.
_WAIT_S = 60
_SCHEMA = """CREATE TABLE IF NOT EXISTS versions (
    path TEXT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (path, kind))"""


class FileKey(NamedTuple):
    """Key of an embedding.

    Attributes:
        path: The image file.
        kind: How it was encoded.
        version: Version of the file: its size and times of change.
    """

    path: str
    kind: str
    version: str


def file_key(path: str, kind: str = '') -> FileKey:
    """The key of an image file as it is now.

    Args:
        path: The file.
        kind: How it is encoded.

    Raises:
        InputError: If it can't be read.
    """
    if '://' in path:
        raise InputError(f'the image {path} of the class weight is not a local file: copy it to '
                         'this machine, or (in testing) set model.class_weight.source=input.')
    try:
        found = os.stat(path)
    except OSError as error:
        raise InputError(f'the image {path} of the class weight cannot be read: '
                         f'{error.strerror}.') from error
    # st_ctime can't be set by a user: it tells apart another file of the same size that was
    # copied here together with its modification time.
    return FileKey(os.path.abspath(path), kind,
                   f'{found.st_size}|{found.st_mtime_ns}|{found.st_ctime_ns}')


class EmbeddingCache:
    """Exact float32 embeddings by image file, in memory and optionally on disk.

    Nothing is evicted: once it is full, further images are computed each time.
    (Training visits all images again and again in a new order: a cache that
    evicts the oldest would have lost most images by the time they return.) A
    new version of a file replaces the old one. Several processes may share a
    file on disk.

    Args:
        limit: Maximum number of images, in memory and on disk.
        width: D of the embeddings.
        path: File on disk, or None for memory alone.

    Raises:
        InputError: If the limit is negative.
    """

    def __init__(self, limit: int, width: int, path: str | Path | None = None) -> None:
        self.limit = require_number(limit, 'class_weight.cache_size', minimum=0, whole=True)
        self.width = width
        self.path = Path(path) if path else None
        self._kept: dict[tuple[str, str], tuple[str, Tensor]] = {}
        self._owner: tuple[int, int] | None = None
        self._file: sqlite3.Connection | None = None

    def __getstate__(self) -> dict:
        """Copies open the file themselves."""
        return {**self.__dict__, '_owner': None, '_file': None}

    def get(self, key: FileKey) -> Tensor | None:
        """The embedding (D,) of an image, None if it is not cached.

        Args:
            key: Output of :func:`file_key`.

        Raises:
            InputError: If the file on disk is damaged.
        """
        version, value = self._kept.get(key[:2], (None, None))
        if version == key.version:
            return value
        if self.path is None:
            return None
        with self._database(self.path) as file:
            row = file.execute('SELECT value FROM versions WHERE path = ? AND kind = ? AND '
                               'version = ?', key).fetchone()
        if row is None:
            return None
        value = self._embedding_in(row[0])
        self._keep(key, value)
        return value

    def put(self, found: dict[FileKey, Tensor]) -> None:
        """Keep embeddings, as far as there is room.

        Args:
            found: Embeddings (D,) by key, float32 on the CPU.
        """
        for key, value in found.items():
            self._keep(key, value)
        if self.path is not None and found:
            with self._database(self.path) as file:
                self._write(file, found)

    def _write(self, file: sqlite3.Connection, found: dict[FileKey, Tensor]) -> None:
        # No other process may write between the count and the rows.
        file.execute('BEGIN IMMEDIATE')
        # Rows are never deleted, so the last one's number is their count.
        room = self.limit - (file.execute('SELECT MAX(rowid) FROM versions').fetchone()[0] or 0)
        for (path, kind, version), value in found.items():
            stored = (version, value.numpy().tobytes(), path, kind)
            old = file.execute('UPDATE versions SET version = ?, value = ? WHERE path = ? AND '
                               'kind = ?', stored).rowcount
            if not old and room > 0:
                file.execute('INSERT INTO versions (version, value, path, kind) '
                             'VALUES (?, ?, ?, ?)', stored)
                room -= 1

    def _keep(self, key: FileKey, value: Tensor) -> None:
        if key[:2] in self._kept or len(self._kept) < self.limit:
            self._kept[key[:2]] = (key.version, value)

    def _embedding_in(self, stored: object) -> Tensor:
        """The embedding of a row, which may hold anything: the file is the user's."""
        if isinstance(stored, bytes) and len(stored) == 4 * self.width:
            value = torch.from_numpy(np.frombuffer(stored, np.float32).copy())
            if torch.isfinite(value).all():
                return value
        raise self._unusable(f'it does not hold embeddings of width {self.width}')

    def _unusable(self, why: object) -> InputError:
        return InputError(f'the cache {self.path} of the class weight cannot be used: {why}; '
                          'remove it, or unset model.class_weight.cache_dir.')

    @contextmanager
    def _database(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The file, opened once per process and thread; a write is whole or not there."""
        owner = (os.getpid(), threading.get_ident())
        try:
            # A connection must not be used after a fork, nor in another thread.
            file = self._file
            if file is None or self._owner != owner:
                writable_dir(path.parent, 'cache_dir of the class weight')
                file = sqlite3.connect(path, timeout=_WAIT_S)
                file.execute(_SCHEMA)
                self._file, self._owner = file, owner
            with file:
                yield file
        except sqlite3.Error as error:
            raise self._unusable(error) from error
