"""Pictures that paint every class in its colour: to one id per pixel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_maskclip.clip.text.class_lists import ClassList, parse_class_list
from mmseg_maskclip.datasets.converters.common import (
    IGNORE,
    Conversion,
    PathLike,
    Task,
    convert_all,
)
from mmseg_maskclip.utils import InputError, read_lines, require_dir
from mmseg_maskclip.utils.images import PICTURES

_LINE = re.compile(r'(?P<name>.*\S)\s*:\s*(?P<color>\d+\s*,\s*\d+\s*,\s*\d+)')
_LOSSY = ('.jpg', '.jpeg', '.webp')
_NAMED = 3
# As in PASCAL VOC's label files.
_IGNORED_COLOUR = (224, 224, 192)
_SHIFTS = np.array([16, 8, 0])


class ColourTable:
    """Class names and colours, and what stands for no class.

    Args:
        classes: Names and RGB colours; the place in it is the id.
        void: RGB colours whose pixels become 255, also if a class has one.

    Raises:
        InputError: If two classes have one colour or one name, or there are too many.
    """

    def __init__(self, classes: ClassList, void: Sequence[Sequence[int]] = ()) -> None:
        self.names, colours = classes.names, classes.colors or []
        for what, values in (('name', self.names), ('colour', colours)):
            for index, value in enumerate(values):
                if value in values[:index]:
                    raise InputError(
                        f'classes {self.names[values.index(value)]!r} and {self.names[index]!r} of '
                        f'the colour table have the same {what}, expected different ones.')
        if len(self.names) > IGNORE:
            raise InputError(f'the colour table has {len(self.names)} classes, expected at most '
                             f'{IGNORE}: 255 is the id of ignored pixels.')
        ids = {_packed(colour): index for index, colour in enumerate(colours)}
        ids.update({_packed(colour): IGNORE for colour in void})
        self._known = np.array(sorted(ids))
        self._ids = np.array([ids[value] for value in self._known], dtype=np.uint8)
        #: RGB of all 256 ids, flat, as Pillow takes it.
        self.palette = [0] * (3 * IGNORE) + list(_IGNORED_COLOUR)
        for index, colour in enumerate(colours):
            self.palette[3 * index:3 * index + 3] = colour

    def to_ids(self, pixels: np.ndarray, source: Path) -> np.ndarray:
        """The ids of a picture's colours.

        Args:
            pixels: RGB, (H, W, 3) uint8.
            source: Its file, named in errors.

        Returns:
            Ids, (H, W) uint8.

        Raises:
            InputError: If it holds a colour that is not in the table.
        """
        values = _packed(pixels)
        places = np.searchsorted(self._known, values).clip(max=len(self._known) - 1)
        unknown = self._known[places] != values
        if unknown.any():
            raise InputError(self._what_is_unknown(values[unknown], source))
        return self._ids[places]

    def _what_is_unknown(self, values: np.ndarray, source: Path) -> str:
        colours, counts = np.unique(values, return_counts=True)
        order = np.argsort(-counts, kind='stable')[:_NAMED]
        named = ', '.join(f'{_written(colours[index])} ({counts[index]} pixels, nearest is '
                          f'{self._nearest(colours[index])})' for index in order)
        more = ', ...' if len(colours) > _NAMED else ''
        hint = (f' ({source.suffix} does not keep colours: export the labels as PNG)'
                if source.suffix.lower() in _LOSSY else '')
        plural = 's' if len(colours) > 1 else ''
        return f'{source} holds {len(colours)} unknown colour{plural}: {named}{more}{hint}'

    def _nearest(self, value: int) -> str:
        distances = ((_unpacked(self._known) - _unpacked(value)) ** 2).sum(axis=-1)
        place = int(distances.argmin())
        index = self._ids[place]
        name = 'void' if index == IGNORE else self.names[index]
        return f'{name} {_written(self._known[place])}'


def read_colour_table(path: PathLike, void: Sequence[str] = ()) -> ColourTable:
    """A colour table from a file.

    Args:
        path: Lines ``name:r,g,b``, or CVAT's ``labelmap.txt``.
        void: Colours, each ``r,g,b``, whose pixels are to be ignored.

    Raises:
        InputError: If it is missing, or holds anything else.
    """
    what = f'colour table {path}'
    lines = read_lines(path, 'colour table')
    content = [line for line in lines if line and not line.startswith('#')]
    matches = [_LINE.fullmatch(line) for line in content]
    if any(matches):
        for line, match in zip(content, matches):
            if match is None:
                raise InputError(f'{what} has the line {line!r}, expected name:r,g,b.')
        found = [(match['name'], _colour(match['color'], what)) for match in matches if match]
        classes = ClassList([name for name, _ in found], [colour for _, colour in found])
    else:
        classes = parse_class_list(lines, what)
    if not classes.colors:
        raise InputError(f"{what} has no colours, expected lines name:r,g,b or CVAT's "
                         'labelmap.txt.')
    return ColourTable(classes, [_colour(text, '--void') for text in void])


def convert_colour_labels(source: PathLike, target: PathLike, table: PathLike,
                          void: Sequence[str] = (), num_workers: int = 1) -> Conversion:
    """Write an index PNG for every picture below a folder.

    Args:
        source: The folder of colour pictures; folders in it are kept.
        target: Where the index PNGs go, with the table's colours inside.
        table: See :func:`read_colour_table`.
        void: Colours, each ``r,g,b``, that become 255.
        num_workers: Processes.

    Raises:
        InputError: If something is missing or can't be read, or a colour is
            not in the table: only equal colours are taken for a class.
    """
    colours = read_colour_table(table, void)
    source, target = require_dir(source, 'folder of colour labels'), Path(target)
    if target.resolve() == source.resolve() or source.resolve() in target.resolve().parents:
        raise InputError(f'the output folder {target} lies in the folder of colour labels '
                         f'{source}: name another one.')
    files = sorted(path for path in source.rglob('*') if path.suffix.lower() in PICTURES
                   and not path.name.startswith('.'))
    tasks = [Task(path, (target / path.relative_to(source)).with_suffix('.png')) for path in files]
    made = {task.target: task.source for task in tasks}
    for task in tasks:
        if made[task.target] != task.source:
            raise InputError(f'{task.source} and {made[task.target]} would both become '
                             f'{task.target}: leave one label per picture.')
    # What is there may be of another table, so that all are made anew.
    done = convert_all(tasks, partial(_read, colours), num_workers, f'pictures in {source}',
                       palette=colours.palette, keep=False)
    ids = ', '.join(f'{index} {name}' for index, name in enumerate(colours.names))
    return Conversion(done.converted, done.skipped, (f'ids: {ids}; 255 is ignored',))


def _read(table: ColourTable, path: Path) -> np.ndarray:
    return table.to_ids(read_colours(path), path)


def read_colours(path: Path) -> np.ndarray:
    """The colours of a picture; a palette picture gives the palette's.

    Returns:
        RGB, (H, W, 3) uint8.

    Raises:
        InputError: If it is damaged, of more than 8 bits a channel, or transparent somewhere.
    """
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            pixels = np.asarray(picture.convert('RGBA'))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f'{path} cannot be read ({error})') from error
    if mode not in ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA'):
        raise InputError(f'{path} is a picture of mode {mode}, expected colours of 8 bits')
    if (pixels[..., 3] != 255).any():
        raise InputError(f'{path} is transparent somewhere: save it with a background colour')
    return pixels[..., :3]


def _colour(text: str, what: str) -> tuple[int, int, int]:
    values = [int(part) if part.strip().isdecimal() else -1 for part in text.split(',')]
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise InputError(f'{what} has the colour {text!r}, expected three numbers from 0 to 255, '
                         'such as 128,64,128.')
    return values[0], values[1], values[2]


def _packed(colours: Sequence[int] | np.ndarray) -> np.ndarray:
    """RGB along the last axis as one number."""
    return (np.asarray(colours, dtype=np.int64) << _SHIFTS).sum(axis=-1)


def _unpacked(values: np.ndarray | int) -> np.ndarray:
    return np.asarray(values)[..., None] >> _SHIFTS & 255


def _written(value: int) -> str:
    return ','.join(map(str, _unpacked(value).tolist()))
