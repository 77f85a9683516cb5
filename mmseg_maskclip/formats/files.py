"""Which files the formats are, written a picture at a time and merged at the end."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence
from urllib.parse import quote

from mmseg_maskclip.formats.coco import coco_of, merge_coco, renumbered
from mmseg_maskclip.formats.cvat import cvat_of, merge_cvat
from mmseg_maskclip.formats.index_png import IndexPng
from mmseg_maskclip.formats.label_studio import LOCAL_FILES, label_studio_of, labelling_config
from mmseg_maskclip.formats.labelme import labelme_of
from mmseg_maskclip.formats.names import why_unfit
from mmseg_maskclip.formats.picture import LabelledPicture
from mmseg_maskclip.utils import InputError, atomic_path, progress_bar, require_file
from mmseg_maskclip.utils.files import PathLike

_CLASSES = 'classes.txt'
_CONFIG = 'labelstudio_config.xml'
_PNG = 'annotations/{}.png'


@dataclass(frozen=True)
class Format:
    """The files of one format, relative to the folder of a run.

    Attributes:
        pictures: One for each picture, whose name stands for ``{}``.
        shared: One for all pictures, the same after each of them.
        merged: The file of all pictures that a run writes at its end.
    """

    pictures: tuple[str, ...]
    shared: tuple[str, ...] = ()
    merged: Optional[str] = None


#: What ``--formats`` takes.
FORMATS = {
    'png': Format((_PNG,), shared=(_CLASSES,)),
    'coco': Format(('coco/{}.json',), merged='coco.json'),
    'labelme': Format(('labelme/{}.json',)),
    'cvat': Format(('cvat/{}.xml',), merged='cvat.xml'),
    # Label Studio exports brushes in few formats: the PNG is what can be trained on.
    'labelstudio': Format(('labelstudio/{}.json', _PNG), shared=(_CLASSES, _CONFIG),
                          merged='labelstudio.json'),
}


def require_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Names of formats, each once and in the order of :data:`FORMATS`.

    Args:
        names: As a user wrote them.

    Raises:
        InputError: If there is none, or an unknown one.
    """
    for name in names:
        if name not in FORMATS:
            raise InputError(f'format {name!r} is unknown: expected some of {", ".join(FORMATS)}.')
    if not names:
        raise InputError(f'no format is named: expected some of {", ".join(FORMATS)}.')
    return tuple(name for name in FORMATS if name in names)


def picture_files(folder: PathLike, name: str, formats: Sequence[str]) -> list[Path]:
    """The files that :func:`write_formats` writes for one picture alone.

    Args:
        folder: Of the run.
        name: Of the picture, without a suffix; ``/`` parts subfolders.
        formats: Keys of :data:`FORMATS`.
    """
    return _paths(folder, (pattern.format(name) for key in formats
                           for pattern in FORMATS[key].pictures))


def write_formats(folder: PathLike, name: str, picture: LabelledPicture, formats: Sequence[str],
                  source: Optional[PathLike] = None) -> list[Path]:
    """Write one picture's labels, each file whole or not at all.

    Args:
        folder: Of the run.
        name: Of the picture, without a suffix; ``/`` parts subfolders.
        picture: Its labels.
        formats: Keys of :data:`FORMATS`.
        source: The picture's own file, to which LabelMe's JSON and Label Studio's
            tasks refer.

    Returns:
        The files, those of all pictures last.

    Raises:
        InputError: If a format is unknown, label files can't have these names, or a file can't
            be written.
    """
    formats = require_formats(formats)
    reason = why_unfit(name, picture.file_name, source)
    if reason:
        raise InputError(reason)
    own = picture_files(folder, name, formats)
    for path in own:
        _WRITERS[path.relative_to(folder).parts[0]](path, picture, source)
    shared = _paths(folder, (file for key in formats for file in FORMATS[key].shared))
    for path in shared:
        _write_shared(path, _TEXTS[path.name](picture))
    return own + shared


def merge_formats(folder: PathLike, names: Sequence[str], formats: Sequence[str],
                  progress: bool = False) -> list[Path]:
    """Write the files of all pictures, reading those of each one by one.

    Args:
        folder: Of the run.
        names: Of the pictures that :func:`write_formats` has written, in order.
        formats: Keys of :data:`FORMATS`; those without a merged file are passed over.
        progress: Whether to show a bar.

    Returns:
        The files.

    Raises:
        InputError: If a picture's file is missing, can't be read, or is of other classes.
    """
    written = []
    for key in require_formats(formats):
        merged = FORMATS[key].merged
        if merged is None:
            continue
        path = Path(folder, merged)
        with progress_bar(len(names), f'Merging {merged}', 'picture', progress) as bar:
            parts = _parts(folder, names, FORMATS[key].pictures[0], bar.update)
            with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8') as file:
                file.writelines(_MERGED[key](parts))
        written.append(path)
    return written


def _paths(folder: PathLike, files: Iterator[str]) -> list[Path]:
    # Two formats may share a file.
    return [Path(folder, file) for file in dict.fromkeys(files)]


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def _write_shared(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        _write_text(path, text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


def _write_png(path: Path, picture: LabelledPicture, _: Any) -> None:
    IndexPng(range(len(picture.names)), picture.palette).write(path, picture.labels)


def _write_labelme(path: Path, picture: LabelledPicture, source: Optional[PathLike]) -> None:
    image_path = None if source is None else _relative(Path(source), path.parent)
    _write_text(path, json.dumps(labelme_of(picture, image_path), ensure_ascii=False, indent=2))


def _write_label_studio(path: Path, picture: LabelledPicture,
                        source: Optional[PathLike]) -> None:
    prefix = LOCAL_FILES
    name = '' if source is None else Path(source).absolute().as_posix()
    if picture.file_name and name.endswith(f'/{picture.file_name}'):
        # Label Studio serves no pictures of its root, only of folders in it.
        pictures = Path(name[:-len(picture.file_name)])
        prefix += quote(f'{pictures.name}/') if pictures.name else ''
    _write_text(path, _json([label_studio_of(picture, prefix)]))


def _relative(source: Path, folder: Path) -> str:
    """A file's name from a folder, with ``/``."""
    try:
        # Without links: ".." leads out of a link's target, not out of the link.
        name = os.path.relpath(source.parent.resolve() / source.name, folder.resolve())
    except ValueError:
        return source.resolve().as_posix()  # another drive of Windows
    return Path(name).as_posix()


_WRITERS: dict[str, Callable[[Path, LabelledPicture, Any], None]] = {
    'annotations': _write_png,
    'coco': lambda path, picture, _: _write_text(path, _json(coco_of(picture))),
    'labelme': _write_labelme,
    'cvat': lambda path, picture, _: _write_text(path, cvat_of([picture])),
    'labelstudio': _write_label_studio,
}
_TEXTS: dict[str, Callable[[LabelledPicture], str]] = {
    _CLASSES: lambda picture: '\n'.join(picture.names) + '\n',
    _CONFIG: lambda picture: labelling_config(picture.names, picture.palette),
}


def _parts(folder: PathLike, names: Sequence[str], pattern: str,
           done: Callable[[int], Any]) -> Iterator[str]:
    for name in names:
        path = require_file(Path(folder, pattern.format(name)), 'annotation file',
                            'Write the labels of this picture anew.')
        yield path.read_text(encoding='utf-8')
        done(1)


def _merged_tasks(parts: Iterator[str]) -> Iterator[str]:
    """A list of the tasks of lists, as text: the numbers of a brush take much memory."""
    inner = (text for text in (part.strip()[1:-1] for part in parts) if text)
    yield '['
    for number, text in enumerate(inner):
        yield f',\n{text}' if number else text
    yield ']\n'


def _merged_coco(parts: Iterator[str]) -> Iterator[str]:
    """COCO's JSON as text, annotations first: they need not be held until all are read."""
    rest = merge_coco([])
    rest.pop('annotations')
    between = ''
    yield '{"annotations":['
    try:
        for part in renumbered(json.loads(text) for text in parts):
            rest['categories'] = part['categories']
            rest['images'] += part['images']
            for annotation in part['annotations']:
                yield between + _json(annotation)
                between = ',\n'
    except json.JSONDecodeError as error:
        raise InputError(f'annotations of COCO cannot be read as JSON: {error}.') from error
    yield f'],{_json(rest)[1:]}\n'


_MERGED: dict[str, Callable[[Iterator[str]], Iterator[str]]] = {
    'coco': _merged_coco,
    'cvat': merge_cvat,
    'labelstudio': _merged_tasks,
}
