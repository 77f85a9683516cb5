"""The folder of a run over picture files: results, records by which it is resumed, merged files."""

from __future__ import annotations

import hashlib
import json
import os
import os.path as osp
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from mmseg_maskclip.formats import (
    FORMATS,
    LabelledPicture,
    merge_formats,
    picture_files,
    why_unfit,
    write_formats,
)
from mmseg_maskclip.portable.listing import PictureFile
from mmseg_maskclip.utils import InputError, atomic_path, remove_file, to_plain
from mmseg_maskclip.utils.files import PathLike
from mmseg_maskclip.utils.records import write_json

if TYPE_CHECKING:
    from PIL import Image

SUMMARY = 'predict.json'


class FileState(NamedTuple):
    """By what a changed picture file is known.

    Attributes:
        bytes: Its size.
        modified: When it was changed last, in nanoseconds.
    """

    bytes: int
    modified: int


class ResultFolder:
    """Where the results of a run go.

    Beside those of each picture lies ``records/NAME.json``, written when the picture is done;
    ``predict.json`` is written when all are.

    Args:
        folder: The folder.
        formats: Keys of ``formats.FORMATS``.
        opacity: Of the labels drawn over the pictures; None for no drawings.
        settings: All that decides about labels but the pictures.
    """

    def __init__(self, folder: PathLike, formats: Sequence[str], opacity: float | None,
                 settings: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.formats = tuple(formats)
        self.opacity = opacity
        self.settings = to_plain({**settings, 'formats': self.formats, 'overlay': opacity})
        self._hash = hash_of(self.settings)

    def require_apart(self, files: Sequence[PictureFile]) -> None:
        """Check that no picture lies where results go, which may take its name.

        Args:
            files: All pictures.

        Raises:
            InputError: If one does.
        """
        patterns = (pattern for one in FORMATS.values() for pattern in one.pictures)
        places = [osp.join(osp.realpath(self.folder), place, '') for place in
                  {*(pattern.split('/')[0] for pattern in patterns), 'overlay', 'records'}]
        for folder in sorted({osp.dirname(file.path) for file in files}):
            if osp.join(osp.realpath(folder), '').startswith(tuple(places)):
                raise InputError(f'the pictures of {folder} lie where results go: name another '
                                 f'folder for these than {self.folder}.')

    def is_done(self, file: PictureFile, state: FileState | None) -> bool:
        """Whether there are results of a picture with these settings.

        Args:
            file: The picture.
            state: Of its file as it is now.
        """
        record = self.record(file.name)
        return (state is not None and record.get('settings') == self._hash
                and record.get('file_state') == state._asdict()
                and all(path.is_file() for path in self._files(file.name)))

    def write(self, file: PictureFile, state: FileState | None, labelled: LabelledPicture,
              drawing: Image.Image | None, record: Mapping[str, Any]) -> None:
        """Write the results of a picture, each file whole or not at all, and its record last.

        Args:
            file: The picture.
            state: Of its file before it was read.
            labelled: Its labels.
            drawing: They over the picture.
            record: What else to record.

        Raises:
            InputError: If a file can't be written.
        """
        self.forget(file.name)
        write_formats(self.folder, file.name, labelled, self.formats, source=file.path)
        if drawing is not None:
            with atomic_path(self._drawing(file.name)) as temporary:
                drawing.save(temporary)
        write_json(self._record(file.name), {
            'file': labelled.file_name, 'settings': self._hash,
            'file_state': None if state is None else state._asdict(), **record})

    def record(self, name: str) -> dict[str, Any]:
        """What was recorded of a picture, nothing where it is not done.

        Args:
            name: Of its results.
        """
        return _read_json(self._record(name))

    def forget(self, name: str) -> None:
        """Remove the record of a picture, whose results are about to change."""
        remove_file(self._record(name))

    def is_complete(self, files: Sequence[PictureFile]) -> bool:
        """Whether a run over these pictures with these settings came to its end.

        Args:
            files: All pictures; each is done.
        """
        last = _read_json(self.folder / SUMMARY)
        return (last.get('names') == _hash_of_names(files)
                and last.get('settings') == self.settings
                and all(path.is_file() for path in self._merged(self.formats)))

    def open(self) -> None:
        """Remove what says that a run came to its end, and merged files of whatever settings."""
        for path in [self.folder / SUMMARY, *self._merged(FORMATS)]:
            remove_file(path)

    def close(self, files: Sequence[PictureFile], left_out: Mapping[str, str],
              record: Mapping[str, Any], progress: bool) -> list[Path]:
        """Merge, and write ``predict.json``.

        Args:
            files: All pictures.
            left_out: Why some have no results, by their paths.
            record: What else to record.
            progress: Whether to show a bar.

        Returns:
            The merged files.
        """
        names = [file.name for file in files if file.path not in left_out]
        merged = merge_formats(self.folder, names, self.formats, progress=progress)
        write_json(self.folder / SUMMARY, {
            'settings': self.settings, 'names': _hash_of_names(files),
            'unreadable': {file.name: left_out[file.path] for file in files
                           if file.path in left_out}, **record})
        return merged

    def _files(self, name: str) -> list[Path]:
        drawing = [self._drawing(name)] if self.opacity is not None else []
        return picture_files(self.folder, name, self.formats) + drawing

    def _drawing(self, name: str) -> Path:
        return self.folder / 'overlay' / f'{name}.png'

    def _record(self, name: str) -> Path:
        return self.folder / 'records' / f'{name}.json'

    def _merged(self, formats: Any) -> list[Path]:
        names = (FORMATS[key].merged for key in formats)
        return [self.folder / name for name in names if name is not None]


def state_of(path: PathLike) -> FileState | None:
    """Of a file as it is now; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns)


def why_no_results(file: PictureFile) -> str:
    """Why a picture can't have results, as it is called; empty if it can.

    Args:
        file: The picture.
    """
    return why_unfit(file.name, file_name_of(file), file.path)


def file_name_of(file: PictureFile) -> str:
    """A picture's own name where its results are called ``file.name``: with its suffix."""
    suffix = osp.splitext(file.path)[1]
    return file.name if file.name.endswith(suffix) else file.name + suffix


def hash_of(value: Any) -> str:
    """A hash of plain values, the same whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _hash_of_names(files: Sequence[PictureFile]) -> str:
    return hash_of([file.name for file in files])


def _read_json(path: Path) -> dict:
    """What is in a file, nothing if it is missing or something else."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
