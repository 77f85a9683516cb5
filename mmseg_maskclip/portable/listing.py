"""Which picture files a run works on, and what the results of each are called."""

from __future__ import annotations

import glob
import os
import os.path as osp
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Union

from mmseg_maskclip.utils import InputError, read_lines
from mmseg_maskclip.utils.files import PathLike
from mmseg_maskclip.utils.images import PICTURES

Sources = Union[PathLike, Iterable['Sources']]
_LIST = '.txt'


class PictureFile(NamedTuple):
    """A picture and the name of its results.

    Attributes:
        path: The file, as it was given or below the folder that was given.
        name: What its results are called, without a suffix of theirs: relative, with ``/``, and
            of no other picture.
    """

    path: str
    name: str


def list_pictures(sources: Sources, leave_out: PathLike | None = None) -> list[PictureFile]:
    """The pictures of files, folders, patterns and lists.

    Files keep the order in which they are given; those of a folder or a pattern are sorted. What
    is given twice counts once. A name is the path from the folder that was given, or from the one
    that all of several files and folders have in common, without the suffix; pictures that differ
    in their suffix alone keep it: ``a.jpg`` and ``a.png`` beside each other.

    Args:
        sources: A file of any suffix, which need not exist; a folder, whose pictures are found at
            any depth, hidden ones left out; a pattern such as ``'pictures/**/*.jpg'``; a text file
            ``*.txt`` with one path a line, from the working folder; or a nesting of these.
        leave_out: The folder of the results, which is not looked into where it lies in one
            of those given.

    Raises:
        InputError: If there are none, a folder or a list cannot be read, or the results would
            lie beside the pictures.
    """
    given = list(_flat(sources))
    for source in given:
        if leave_out is not None and _is_same(_start(source), leave_out):
            raise InputError(f'the results would lie among the pictures of {source}: name another '
                             'folder for them, which may lie in it.')
    roots: list[str] = []
    paths: list[str] = []
    for source in given:
        root, found = _of_source(source, leave_out)
        paths += found
        roots.append(root)
    if not paths:
        raise InputError(f'no picture was found in {_shown(given)}: expected files, folders or '
                         f'patterns of {", ".join(PICTURES)}.')
    if len(given) == 1 and osp.isdir(given[0]):
        # As it often is with a million, which need not be made absolute one by one.
        start = len(osp.join(given[0], ''))
        relative = [path[start:] for path in paths]
    else:
        paths = _without_repeats(paths)
        start = len(osp.join(_common(roots), ''))
        relative = [osp.abspath(path)[start:] for path in paths]
    return [PictureFile(path, name) for path, name in zip(paths, _names(relative))]


def _flat(sources: Sources) -> Iterator[str]:
    if isinstance(sources, (str, os.PathLike)):
        yield os.fspath(sources)
        return
    if not isinstance(sources, Iterable):
        raise InputError(f'pictures are a {type(sources).__name__}, expected a path or a list of '
                         'paths.')
    for source in sources:
        yield from _flat(source)


def _of_source(source: str, leave_out: PathLike | None) -> tuple[str, list[str]]:
    """The folder that names count from, and the pictures."""
    if osp.isdir(source):
        return source, sorted(_walk(source, leave_out))
    if source.lower().endswith(_LIST):
        paths = [line for line in read_lines(source, 'list of pictures') if line]
        return _common(map(osp.dirname, paths)) if paths else '', paths
    if glob.has_magic(source) and not osp.exists(source):
        return _fixed_part(source), sorted(_matches(source, leave_out))
    return osp.dirname(source), [source]


def _walk(folder: str, leave_out: PathLike | None, above: tuple[str, ...] = ()) -> Iterator[str]:
    """All pictures below a folder, in no order; ``above``: the folders of links on the way."""
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith('.'):
                    continue
                if entry.is_dir():
                    folders.append((entry.path, entry.is_symlink()))
                elif entry.name.lower().endswith(PICTURES):
                    yield entry.path
    except OSError as error:
        raise InputError(f'folder {folder} cannot be read: {error.strerror or error}.') from error
    for path, linked in folders:
        if leave_out is not None and _is_same(path, leave_out):
            continue
        places = (*above, osp.realpath(folder)) if linked else above
        # A link to a folder that holds it, or a link on the way to it, has no end.
        if linked and any(_holds(osp.realpath(path), place) for place in places):
            continue
        yield from _walk(path, leave_out, places)


def _start(source: str) -> str:
    """The folder in which pictures are looked for; of a file, itself."""
    if glob.has_magic(source) and not osp.exists(source):
        return _fixed_part(source) or '.'
    return source


def _is_same(folder: str, other: PathLike) -> bool:
    return osp.isdir(folder) and osp.exists(other) and osp.samefile(folder, other)


def _holds(folder: str, path: str) -> bool:
    return osp.join(path, '').startswith(osp.join(folder, ''))


def _fixed_part(pattern: str) -> str:
    """The folder in front of the first wildcard."""
    folder = osp.dirname(pattern)
    while glob.has_magic(folder):
        folder = osp.dirname(folder)
    return folder


def _matches(pattern: str, leave_out: PathLike | None) -> Iterator[str]:
    """Pictures that a pattern matches, and what has another suffix that the pattern names."""
    suffix = osp.splitext(pattern)[1].lower()
    suffixes = PICTURES if not suffix or glob.has_magic(suffix) else (*PICTURES, suffix)
    folder = None if leave_out is None else osp.abspath(leave_out)
    if folder is not None and _holds(folder, osp.abspath(_fixed_part(pattern))):
        # A folder of pictures in that of the results, which was asked for.
        folder = None
    for path in glob.iglob(pattern, recursive=True):
        if folder is not None and _holds(folder, osp.abspath(path)):
            continue
        if path.lower().endswith(suffixes) and not osp.isdir(path):
            yield path


def _without_repeats(paths: list[str]) -> list[str]:
    """Each file once, where it is first."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(osp.abspath(path), path)
    return list(found.values())


def _common(folders: Iterable[str]) -> str:
    """The innermost folder that holds all of some folders."""
    distinct = {osp.abspath(folder) for folder in set(folders)}
    try:
        return osp.commonpath(distinct)
    except ValueError as error:
        raise InputError(f'pictures lie on several drives, as {sorted(distinct)[0]} and '
                         f'{sorted(distinct)[-1]}: run once for each.') from error


def _names(relative: list[str]) -> list[str]:
    """Names of results, each of one picture."""
    if os.sep != '/':
        relative = [path.replace(os.sep, '/') for path in relative]
    stems = [osp.splitext(path)[0] for path in relative]
    counts, whole = Counter(stems), set(relative)
    # The stem of one may be the whole name of another: a.jpg.png beside a.jpg.
    return [stem if counts[stem] == 1 and stem not in whole else path
            for stem, path in zip(stems, relative)]


def _shown(given: list[str]) -> str:
    shown = ', '.join(given[:3])
    return f'{shown} and {len(given) - 3} others' if len(given) > 3 else shown or 'an empty list'
