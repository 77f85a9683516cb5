"""What all converters share: skipping finished work, counting failures, ids by table."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Callable, Union

import numpy as np
from PIL import Image
from scipy.io import loadmat

from mmseg_maskclip.utils import InputError, atomic_path, progress_bar, writable_dir

PathLike = Union[str, 'os.PathLike[str]']
IGNORE = 255
_NAMED_FAILURES = 5


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What a run of a converter did.

    Attributes:
        converted: Label files written.
        skipped: Label files that were right already.
        notes: Sentences the user should read.
    """

    converted: int
    skipped: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f'{self.converted} label files written, {self.skipped} were there already'
        return '\n'.join((counts, *self.notes))


@dataclasses.dataclass(frozen=True)
class Task:
    """One label file to make."""

    source: Path
    target: Path


def convert_all(tasks: Sequence[Task], read_labels: Callable[[Path], np.ndarray],
                num_workers: int, what: str, palette: Sequence[int] | None = None,
                keep: bool = True) -> Conversion:
    """Write every label file that is not there yet, and name those that failed.

    A file that can't be read does not stop the others. Files are written
    atomically, so that an interrupted run can be continued.

    Args:
        tasks: The files.
        read_labels: Reads a source and returns its final ids, (H, W) uint8;
            must be picklable.
        num_workers: Processes; 1 works in this one.
        what: What the files are, for the progress bar.
        palette: Red, green and blue of each id, one behind the other, to be
            put into the files; None for none.
        keep: Whether a file that is there is kept if it is newer than its source.

    Raises:
        InputError: After all others are done, if some could not be converted.
    """
    if num_workers < 1:
        raise InputError(f'the number of processes is {num_workers}, expected 1 or more.')
    if not tasks:
        raise InputError(f'no {what} were found.')
    for folder in {task.target.parent for task in tasks}:
        writable_dir(folder, 'output folder')
    step = partial(_convert, read_labels, palette, keep)
    if num_workers == 1:
        outcomes = _with_progress(map(step, tasks), len(tasks), what)
    else:
        with multiprocessing.Pool(min(num_workers, len(tasks))) as pool:
            # In any order, so that one large file does not hold up the progress bar.
            outcomes = _with_progress(pool.imap_unordered(step, tasks, chunksize=16),
                                      len(tasks), what)
    failures = sorted(outcome for outcome in outcomes if isinstance(outcome, str))
    if failures:
        named = '; '.join(failures[:_NAMED_FAILURES])
        more = len(failures) - _NAMED_FAILURES
        raise InputError(f'{len(failures)} of {len(tasks)} {what} could not be converted: '
                         f'{named}{f"; and {more} more" if more > 0 else ""}. '
                         'The others are done: fix these and run the same command again.')
    written = sum(outcomes)
    return Conversion(written, len(tasks) - written)


def _with_progress(outcomes, total: int, what: str) -> list[bool | str]:
    with progress_bar(total, what, 'file') as bar:
        found = []
        for outcome in outcomes:
            found.append(outcome)
            bar.update()
    return found


def _convert(read_labels: Callable[[Path], np.ndarray], palette: Sequence[int] | None,
             keep: bool, task: Task) -> bool | str:
    """True if written, False if it was right already, or what went wrong."""
    if keep and is_done(task):
        return False
    try:
        labels = read_labels(task.source)
    except InputError as error:
        return str(error)
    picture = Image.fromarray(labels)
    if palette is not None:
        picture.putpalette(palette)
    with atomic_path(task.target) as path:
        picture.save(path)
    return True


def is_done(task: Task) -> bool:
    """Whether the target is an undamaged picture no older than its source."""
    try:
        if task.target.stat().st_mtime < task.source.stat().st_mtime:
            return False
        with Image.open(task.target) as image:
            # Finds a file that was cut short without decoding it.
            image.verify()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def read_mat(path: Path) -> dict:
    """The variables of a MATLAB file.

    Raises:
        InputError: If it is missing, damaged or not a MATLAB file.
    """
    try:
        return loadmat(path)
    except Exception as error:  # of many kinds, depending on where the damage is
        raise InputError(f'{path} cannot be read ({error})') from error


def read_png(path: Path) -> np.ndarray:
    """The pixels of a picture; a palette picture gives indices.

    Raises:
        InputError: If it is missing, damaged or not a picture.
    """
    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f'{path} cannot be read ({error})') from error


def apply_table(raw: np.ndarray, table: dict[int, int], source: Path) -> np.ndarray:
    """Rename ids by a table that must know every id that occurs.

    Args:
        raw: Ids of any integer type, (H, W).
        table: Old id -> new id, both 0 or more, the new one below 256.
        source: The file the ids come from, named in errors.

    Returns:
        New ids, (H, W) uint8.

    Raises:
        InputError: If the ids are not (H, W) integers or one is not in the table.
    """
    raw = np.asarray(raw)
    if raw.ndim != 2 or raw.dtype.kind not in 'iu':
        raise InputError(f'{source} holds {raw.dtype} of shape {raw.shape}, expected one '
                         'integer id per pixel')
    size = max(table) + 1
    known = np.zeros(size, dtype=bool)
    renamed = np.zeros(size, dtype=np.uint8)
    for old, new in table.items():
        known[old], renamed[old] = True, new
    wrong = (raw < 0) | (raw >= size)
    # Ids that are wrong already must not be looked up, they lie outside the table.
    wrong |= ~known[np.where(wrong, 0, raw)]
    if wrong.any():
        raise InputError(f'{source} holds id {raw[wrong][0]}, expected '
                         f'{_ranges(np.flatnonzero(known))}')
    return renamed[raw]


def _ranges(ids: np.ndarray) -> str:
    """0,1,2,5 -> '0 to 2, 5'."""
    parts = np.split(ids, np.flatnonzero(np.diff(ids) != 1) + 1)
    return ', '.join(f'{part[0]} to {part[-1]}' if len(part) > 1 else f'{part[0]}'
                     for part in parts)


def write_list(path: PathLike, names: Sequence[str]) -> None:
    """Write one name per line, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text('\n'.join(names) + '\n', encoding='utf-8')
