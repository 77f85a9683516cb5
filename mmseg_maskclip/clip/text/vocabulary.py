"""Class lists: the published sets, text files, and lists in a config."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Union

from mmseg_maskclip.clip.text.class_lists import parse_class_list
from mmseg_maskclip.utils import InputError, is_one_line, read_lines, require_file

_FOLDER = Path(__file__).parent / 'data' / 'vocabularies'
_SEPARATOR = ';'
# Published lists that hold one name in two classes. They are kept, since results were published
# with them, and beside each there is NAME_fixed.
_HELD_TWICE = {'sclip_coco_object': 'bed', 'itaclip_coco_object': 'bed'}
# The log of a run, by its name: mmcv, which sets it up, is not imported here.
_LOG = logging.getLogger('mmseg')
Source = Union[str, 'os.PathLike[str]', Sequence[Union[str, Sequence[str]]], 'Vocabulary']


@dataclass(frozen=True)
class Vocabulary:
    """The classes of a task, each with one name or several synonyms.

    Attributes:
        name: Name of the set, stem of the file, or ``'custom'``.
        entries: Synonyms of every class, the first one its name.
        colors: RGB of every class, where the file it came from has some.
    """

    name: str
    entries: tuple[tuple[str, ...], ...]
    colors: Optional[tuple[tuple[int, int, int], ...]] = None

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


def load_vocabulary(source: Source, what: str = '') -> Vocabulary:
    """The classes of a published set, a text file, or a list.

    This is the one reader of class lists: of tools, configs and data sets. A
    file has one class a line; synonyms are separated by ``;``
    (``person; people; a man``); the lists that annotation tools write are read,
    too (:func:`parse_class_list`). Of a list, an item is such a line, or a list
    of synonyms. Names that differ in case alone count as the same. Two published
    sets hold a name twice, which is said in a warning; no other list may.

    Args:
        source: Name of a published set, path of a text file, or a list.
        what: What the classes are for, used in errors, e.g. ``'classes of VOC20Dataset'``.

    Raises:
        InputError: If there is no such set or file, it is not UTF-8, it has blank
            lines, items that are not one line of text, no classes, or a name twice.
    """
    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, (str, os.PathLike)):
        if str(source) in list_vocabularies():
            return _published(str(source), what or f"class set '{source}'")
        path = _require_list(source, what)
        what = what or 'class list'
        found = parse_class_list(read_lines(path, what), f'{what} {path}')
        vocabulary = _from_items(found.names, path.stem, f'{what} {path}', 'line')
        return replace(vocabulary, colors=tuple(found.colors) if found.colors else None)
    what = what or 'the list of classes'
    if not isinstance(source, Sequence):
        raise InputError(f'{what} is {source!r}, expected a list of names, a text file or one of '
                         f'{", ".join(list_vocabularies())}.')
    return _from_items(source, 'custom', what, 'item')


def vocabulary_of_words(words: Sequence[str], what: str = '') -> Vocabulary:
    """The classes that the words of a command line name.

    Args:
        words: Class names; or one word that is the name of a published set, or
            a file of names.
        what: What they are for, used in errors.

    Raises:
        InputError: As :func:`load_vocabulary`; or if a file stands among names.
    """
    # Not pathlib's: of a word longer than a file name may be, that raises.
    files = [word for word in words if os.path.isfile(word)]
    if len(words) == 1 and (files or words[0] in list_vocabularies()
                            or os.sep in words[0] or words[0].lower().endswith('.txt')):
        return load_vocabulary(words[0], what)
    if files:
        raise InputError(f'{files[0]} is a file, expected class names, or one file alone.')
    return load_vocabulary(list(words), what)


def combine_vocabularies(sources: Sequence[Source]) -> Vocabulary:
    """Several sets in a row; a class that came before is left out.

    Args:
        sources: At least one source of :func:`load_vocabulary`.

    Returns:
        The classes in order, named ``{set1}_{set2}...``.

    Raises:
        InputError: If there is no source, or one of them can't be read.
    """
    vocabularies = [load_vocabulary(source) for source in sources]
    if not vocabularies:
        raise InputError('no class set was given, expected at least one of '
                         f'{", ".join(list_vocabularies())}.')
    if len(vocabularies) == 1:
        return vocabularies[0]
    known: set[str] = set()
    entries: list[tuple[str, ...]] = []
    for vocabulary in vocabularies:
        added = []
        for entry in vocabulary.entries:
            # A class is known by its first name; it only loses synonyms that came before.
            fresh = tuple(name for name in entry if name.lower() not in known)
            if fresh and fresh[0] == entry[0]:
                added.append(fresh)
        # Only now: a set that holds a name twice keeps both of its classes.
        known.update(name.lower() for entry in added for name in entry)
        entries += added
    return Vocabulary('_'.join(v.name for v in vocabularies), tuple(entries))


def _require_list(source: str | os.PathLike[str], what: str) -> Path:
    text = str(source)
    # A bare word is more likely a misspelt set than a file without a suffix.
    if not os.path.exists(source) and os.sep not in text and not Path(text).suffix:
        given = f' for {what}' if what else ''
        raise InputError(f"unknown class set '{text}'{given}, expected one of "
                         f'{", ".join(list_vocabularies())}, or the path of a text file with '
                         'one class a line.')
    return require_file(source, what or 'class list')


def _published(name: str, what: str) -> Vocabulary:
    lines = read_lines(_FOLDER / f'{name}.txt', 'class set')
    vocabulary = _from_items(lines, name, what, 'line', _HELD_TWICE.get(name))
    if name in _HELD_TWICE:
        _warn_held_twice(vocabulary, _HELD_TWICE[name])
    return vocabulary


@functools.cache
def _warn_held_twice(vocabulary: Vocabulary, word: str) -> None:
    """Say once in a run that one of two classes of the same name can't win."""
    first, second = (index for index, entry in enumerate(vocabulary.entries) if word in entry)
    _LOG.warning("class set '%s' has the name '%s' in class %d and in class %d, as it was "
                 "published: with synonyms='separate' both score the same and class %d (%s) can't "
                 "win. Class set '%s_fixed' has it in class %d alone.", vocabulary.name, word,
                 first, second, second, vocabulary.class_names[second], vocabulary.name, second)


def _from_items(items: Sequence[str | Sequence[str]], name: str, what: str,
                unit: str, held_twice: str | None = None) -> Vocabulary:
    if not items:
        raise InputError(f'{what} is empty, expected at least one class.')
    entries = tuple(_entry(item, f'{unit} {number} of {what}')
                    for number, item in enumerate(items, 1))
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        for synonym in entry:
            # CLIP's tokenizer lower-cases, so names that differ in case give one embedding.
            first = seen.setdefault(synonym.lower(), number)
            if first != number and synonym != held_twice:
                raise InputError(f"'{synonym}' stands twice in {what}, in {unit}s {first} and "
                                 f'{number}; every class needs names of its own.')
    return Vocabulary(name, entries)


def _entry(item: str | Sequence[str], where: str) -> tuple[str, ...]:
    parts = item.split(_SEPARATOR) if isinstance(item, str) else item
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise InputError(f'{where} is {item!r}, expected a name or a list of names.')
    names = [part.strip() for part in parts]
    if not any(names):
        raise InputError(f'{where} is blank, expected a class name.')
    if not all(map(is_one_line, names)):
        raise InputError(f'{where} is {item!r}, expected one line of text without control '
                         'characters: give each line as an item, or the file.')
    if not all(names):
        raise InputError(f"{where} is '{item}': there is no name between two '{_SEPARATOR}'.")
    return tuple(dict.fromkeys(names))
