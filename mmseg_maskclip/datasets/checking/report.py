"""A report on every file of a data set."""

from __future__ import annotations

import dataclasses
import os.path as osp
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from prettytable import PrettyTable

from mmseg_maskclip.datasets.checking.labels import LabelCounts, class_ids, label_file, suspicion
from mmseg_maskclip.datasets.reading import read_label_map, size_and_turn
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError, progress_bar
from mmseg_maskclip.utils.images import PICTURES

_SHOWN = 5


@dataclasses.dataclass
class PartReport:
    """What was found in a data set.

    Attributes:
        lines: For the reader, in order.
        problems: A sentence each.
    """

    lines: list[str]
    problems: list[str]


@dataclasses.dataclass
class _Found:
    counts: LabelCounts
    sizes: Counter = dataclasses.field(default_factory=Counter)
    images_of_id: Counter = dataclasses.field(default_factory=Counter)
    outside: dict = dataclasses.field(default_factory=dict)
    broken: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)
    turned: list = dataclasses.field(default_factory=list)
    unequal: list = dataclasses.field(default_factory=list)


def check_part(dataset: Any, name: str) -> PartReport:
    """Read all images and label files of a data set.

    Args:
        dataset: Ours or mmseg's, with files of its own.
        name: Its name in the report, such as ``'data.train'``.

    Returns:
        Sizes, suffixes, ids with their shares, and what is wrong.
    """
    found = _Found(LabelCounts(np.zeros(len(dataset.CLASSES), dtype=np.int64)))
    with progress_bar(len(dataset), name, 'image') as bar:
        for index in range(len(dataset)):
            _check_files(dataset, index, found)
            bar.update()
    extra = _extra_labels(dataset)
    return PartReport(_describe(dataset, name, found, extra), _problems(dataset, found, extra))


def _check_files(dataset: Any, index: int, found: _Found) -> None:
    """Check an image and its label."""
    filename = dataset.img_infos[index]['filename']
    size = None
    try:
        size, turned = size_and_turn(dataset.file_client, osp.join(dataset.img_dir, filename))
        found.sizes[size] += 1
    except (OSError, SyntaxError, ValueError):
        found.broken.append(f'image {filename}')
    path = label_file(dataset, index)
    if path is None:
        return
    if not dataset.file_client.isfile(path):
        found.missing.append(osp.relpath(path, dataset.ann_dir))
        return
    try:
        ids = read_label_map(dataset.file_client, path)
    except InputError:
        found.broken.append(f'label {osp.relpath(path, dataset.ann_dir)}')
        return
    _count(dataset, ids, osp.relpath(path, dataset.ann_dir), found)
    if size is not None:
        shown = size[::-1] if turned else size
        if ids.shape[::-1] == size != shown:
            found.turned.append(filename)
        elif ids.shape[::-1] != shown:
            found.unequal.append(f'{filename} ({shown[0]} x {shown[1]}, its label '
                                 f'{ids.shape[1]} x {ids.shape[0]})')


def _count(dataset: Any, ids: np.ndarray, name: str, found: _Found) -> None:
    before = set(found.counts.outside)
    found.counts.add(ids, dataset)
    found.images_of_id.update(np.unique(ids).tolist())
    for wrong in set(found.counts.outside) - before:
        found.outside[wrong] = name


def _extra_labels(dataset: Any) -> list[str]:
    """Label files that belong to no image."""
    if dataset.ann_dir is None or not dataset.file_client.isdir(dataset.ann_dir):
        return []
    used = {osp.relpath(path, dataset.ann_dir)
            for path in (label_file(dataset, index) for index in range(len(dataset))) if path}
    images = {osp.relpath(osp.join(dataset.img_dir, info['filename']), dataset.ann_dir)
              for info in dataset.img_infos}
    return sorted(name for name in dataset.file_client.list_dir_or_file(
        dataset.ann_dir, list_dir=False, suffix=dataset.seg_map_suffix, recursive=True)
        if name not in used and name not in images)


def _describe(dataset: Any, name: str, found: _Found, extra: list[str]) -> list[str]:
    suffixes = Counter(osp.splitext(info['filename'])[1] for info in dataset.img_infos)
    sizes = [f'{width} x {height} ({count})'
             for (width, height), count in found.sizes.most_common(_SHOWN)]
    lines = [f'{name}: {type(dataset).__name__}, {len(dataset)} images in {dataset.img_dir}',
             f'  sizes: {_some(sizes, len(found.sizes))}',
             f'  suffixes: {_some([f"{key} ({n})" for key, n in suffixes.items()])}']
    if dataset.ann_dir is None:
        return [*lines, '  no labels (ann_dir is not set)']
    lines.append(f'  labels: {found.counts.files} read in {dataset.ann_dir}, '
                 f'{len(found.missing)} missing, {len(extra)} without an image in the data set')
    beside = _other_pictures(dataset)
    if beside:
        lines.append(f'  also there, not read as labels: {_some(beside)}')
    if dataset.reduce_zero_label:
        lines.append('  reduce_zero_label=True: id 0 of the files is ignored, ids 1 to '
                     f'{len(dataset.CLASSES)} are classes 0 to {len(dataset.CLASSES) - 1}')
    else:
        lines.append('  reduce_zero_label=False: ids of the files are class ids')
    return [*lines, *_table(dataset, found).splitlines(), *_absent(dataset, found)]


def _other_pictures(dataset: Any) -> list[str]:
    """Suffixes, with their numbers, of pictures in the label folder that are not read there."""
    if (not dataset.file_client.isdir(dataset.ann_dir)
            or osp.realpath(dataset.ann_dir) == osp.realpath(dataset.img_dir)):
        return []
    beside = Counter(osp.splitext(name)[1] for name in dataset.file_client.list_dir_or_file(
        dataset.ann_dir, list_dir=False, recursive=True)
        if name.lower().endswith(PICTURES) and not name.endswith(dataset.seg_map_suffix))
    return [f'{suffix} ({count})' for suffix, count in sorted(beside.items())]


def _table(dataset: Any, found: _Found) -> str:
    table = PrettyTable(['id in the files', 'class', 'share of pixels', 'images'])
    table.align = 'r'
    table.align['class'] = 'l'
    file_ids = found.counts.file_ids or {}
    total = sum(file_ids.values())
    for old in sorted(file_ids):
        new = int(class_ids(dataset, np.array([old]))[0])
        meaning = ('ignored' if new == IGNORED else 'outside the classes'
                   if old in found.counts.outside else f'{new} {dataset.CLASSES[new]}')
        table.add_row([old, meaning, f'{100 * file_ids[old] / total:.2f} %',
                       found.images_of_id[old]])
    return table.get_string()


def _absent(dataset: Any, found: _Found) -> list[str]:
    absent = [dataset.CLASSES[index] for index in np.flatnonzero(found.counts.classes == 0)]
    if not absent or not found.counts.files:
        return []
    return [f'  classes without a pixel: {len(absent)} of {len(dataset.CLASSES)} '
            f'({_some(absent)})']


def _problems(dataset: Any, found: _Found, extra: list[str]) -> list[str]:
    problems = [
        f'id {wrong} is outside the {len(dataset.CLASSES)} classes, first in {name}: check '
        'reduce_zero_label and whether the labels were converted'
        for wrong, name in sorted(found.outside.items())[:_SHOWN]]
    if len(found.outside) > _SHOWN:
        problems.append(f'{len(found.outside) - _SHOWN} more ids are outside the classes')
    for names, said in (
            (found.broken, 'cannot be read'),
            (found.missing, 'label files are missing'),
            # With a split file the folder may well hold more than the images that it names.
            ([] if dataset.split else extra, 'label files belong to no image'),
            (found.turned, 'images are shown turned by their EXIF orientation and their labels '
                           'are not: turn the labels, or load the images by '
                           "LoadImageFromFile's color_type='color_ignore_orientation'"),
            (found.unequal, 'images and their labels differ in size')):
        if names:
            problems.append(f'{len(names)} {said} ({_some(names)})')
    odd = suspicion(found.counts, dataset.CLASSES, reduce_zero_label=dataset.reduce_zero_label)
    if odd:
        problems.append(odd)
    return problems


def _some(names: Iterable[Any], total: int | None = None) -> str:
    names = list(names)
    total = len(names) if total is None else total
    return ', '.join(map(str, names[:_SHOWN])) + (', ...' if total > _SHOWN else '')
