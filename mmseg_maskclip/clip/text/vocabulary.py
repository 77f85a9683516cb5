"""Class-name lists: the published sets, text files, and lists of a config."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from mmseg_maskclip.utils import InputError, require_file

_FOLDER = Path(__file__).parent / 'data' / 'vocabularies'
_SEPARATOR = ';'
Source = Union[str, 'os.PathLike[str]', Sequence[Union[str, Sequence[str]]], 'Vocabulary']


@dataclass(frozen=True)
class Vocabulary:
    """The classes of a task, each with one name or several synonyms.

    Attributes:
        name: Name of the set, stem of the file, or ``'custom'``.
        entries: Synonyms of every class, the first one its name.
    """

    name: str
    entries: tuple[tuple[str, ...], ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The first synonym of every class."""
        return tuple(entry[0] for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@functools.cache
def list_vocabularies() -> tuple[str, ...]:
    """Names of the published sets, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob('*.txt')))


def load_vocabulary(source: Source) -> Vocabulary:
    """The classes of a published set, a text file, or a list.

    A file has one class a line; synonyms are separated by ``;``
    (``person; people; a man``). Of a list, an item is such a line, or a list
    of synonyms.

    Args:
        source: Name of a published set, path of a text file, or a list.

    Raises:
        InputError: If there is no such set or file, it has blank lines, no
            classes, or a name twice.
    """
    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, (str, os.PathLike)):
        if str(source) in list_vocabularies():
            path = _FOLDER / f'{source}.txt'
            return _from_lines(_read_lines(path), str(source), f"class set '{source}'")
        path = _require_list(source)
        return _from_lines(_read_lines(path), path.stem, f'class list {path}')
    return _from_lines(list(source), 'custom', 'the list of classes')


def combine_vocabularies(sources: Sequence[Source]) -> Vocabulary:
    """Several sets in a row; a class that came before is left out.

    Args:
        sources: At least one source of :func:`load_vocabulary`.

    Returns:
        The classes in order, named ``{set1}_{set2}...``.

    Raises:
        InputError: If there is no source, or one of them is bad.
    """
    vocabularies = [load_vocabulary(source) for source in sources]
    if not vocabularies:
        raise InputError('no class set was given, at least one was expected: '
                         f'{", ".join(list_vocabularies())}.')
    if len(vocabularies) == 1:
        return vocabularies[0]
    known, entries = set(), []
    for entry in (entry for vocabulary in vocabularies for entry in vocabulary.entries):
        fresh = tuple(name for name in entry if name.lower() not in known)
        if fresh and fresh[0] == entry[0]:
            entries.append(fresh)
            known.update(name.lower() for name in fresh)
    return Vocabulary('_'.join(v.name for v in vocabularies), tuple(entries))


def _require_list(source: Source) -> Path:
    text = str(source)
    if not Path(source).exists() and os.sep not in text and not Path(text).suffix:
        raise InputError(f"unknown class set '{text}', expected one of "
                         f'{", ".join(list_vocabularies())}, or the path of a text file with '
                         'one class a line.')
    return require_file(source, 'class list')


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f'class list {path} is no UTF-8 text (byte {error.start}); '
                         'save it as UTF-8, one class a line.') from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _from_lines(lines: Sequence[Union[str, Sequence[str]]], name: str, what: str) -> Vocabulary:
    if not lines:
        raise InputError(f'{what} is empty, at least one class was expected.')
    entries = tuple(_entry(line, f'line {number} of {what}')
                    for number, line in enumerate(lines, 1))
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        for synonym in entry:
            # CLIP's tokenizer lower-cases, so names that differ in case are one text.
            first = seen.setdefault(synonym.lower(), number)
            if first != number:
                raise InputError(f"'{synonym}' stands twice in {what}, in lines {first} and "
                                 f'{number}; every class needs names of its own.')
    return Vocabulary(name, entries)


def _entry(line: Union[str, Sequence[str]], where: str) -> tuple[str, ...]:
    parts = line.split(_SEPARATOR) if isinstance(line, str) else list(line)
    if not all(isinstance(part, str) for part in parts):
        raise InputError(f'{where} is {line!r}, a name or a list of names was expected.')
    names = [part.strip() for part in parts]
    if not any(names):
        raise InputError(f'{where} is blank, a class name was expected.')
    if not all(names):
        raise InputError(f"{where} is '{line}': there is no name between two '{_SEPARATOR}'.")
    return tuple(dict.fromkeys(names))
