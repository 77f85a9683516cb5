"""PASCAL Context: 459 raw labels to the 59 classes and background (Mottaghi et al., 2014)."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np

from mmseg_maskclip.datasets.converters.common import (
    Conversion,
    PathLike,
    Task,
    apply_table,
    convert_all,
    read_mat,
    write_list,
)
from mmseg_maskclip.datasets.reading import read_names
from mmseg_maskclip.utils import InputError, require_dir, require_file

#: Raw id of each class; the position is the id in the label file, 0 background.
RAW_IDS = (
    0, 2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105,
    113, 115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308,
    324, 326, 347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458)
PARTS = ('train', 'val')
_NUM_RAW = 459
_TABLE = {**dict.fromkeys(range(_NUM_RAW + 1), 0),
          **{raw: index for index, raw in enumerate(RAW_IDS)}}


@dataclasses.dataclass(frozen=True)
class ContextSource:
    """Where labels and lists come from; see :func:`convert_pascal_context`.

    Attributes:
        mat_dir: Folder of the public ``.mat`` files; None for the Detail API.
        json_path: The merged JSON: lists for ``.mat`` files, all for the API.
        lists: Files of the training and validation list.
    """

    mat_dir: PathLike | None = None
    json_path: PathLike | None = None
    lists: tuple[PathLike | None, PathLike | None] = (None, None)


def convert_pascal_context(devkit: PathLike, source: ContextSource,
                           out_dir: PathLike | None = None, num_workers: int = 1) -> Conversion:
    """Make ``SegmentationClassContext`` and the lists train.txt and val.txt.

    The lists of ``.mat`` files are, in this order: those given; the split in
    the merged JSON (4996 and 5104 images, which published results use); VOC
    2010's own ImageSets/Main (4998 and 5105, three images more).

    Args:
        devkit: The folder VOCdevkit, with VOC2010 in it.
        source: Labels and lists.
        out_dir: Where labels go; by default VOC2010/SegmentationClassContext.
        num_workers: Processes, for ``.mat`` files.

    Raises:
        InputError: If something is missing or can't be read.
    """
    voc = require_dir(Path(devkit) / 'VOC2010', 'VOC folder',
                      'Run: bash pascal_context_preparation.sh')
    target = Path(out_dir) if out_dir else voc / 'SegmentationClassContext'
    if source.mat_dir is None:
        done, lists = _from_detail(voc, source, target)
    else:
        done, lists = _from_mat(voc, source, target, num_workers)
    folder = voc / 'ImageSets/SegmentationContext'
    for part, names in zip(PARTS, lists):
        write_list(folder / f'{part}.txt', sorted(names))
    note = f'{folder} lists {len(lists[0])} training and {len(lists[1])} validation images'
    return Conversion(done.converted, done.skipped, (note,))


def read_context_mat(path: Path) -> np.ndarray:
    """Class ids 0..59 of one ``.mat`` file, (H, W) uint8; other labels are background.

    Raises:
        InputError: If it has no LabelMap or an id above 459.
    """
    content = read_mat(path)
    if 'LabelMap' not in content:
        raise InputError(f'{path} has no variable LabelMap: it is not a label of PASCAL Context')
    return apply_table(content['LabelMap'], _TABLE, path)


def _from_mat(voc: Path, source: ContextSource, target: Path,
              num_workers: int) -> tuple[Conversion, list[list[str]]]:
    folder = require_dir(source.mat_dir, 'folder of PASCAL Context labels',
                         'Run: bash pascal_context_preparation.sh')
    files = {path.stem: path for path in sorted(folder.glob('*.mat'))}
    if not files:
        raise InputError(f'no .mat file was found in {folder}: give the folder trainval that '
                         'trainval.tar.gz holds.')
    lists = _mat_lists(voc, source)
    for part, names in zip(PARTS, lists):
        # Before the labels are converted, which takes minutes.
        missing = [name for name in names if name not in files]
        if missing:
            raise InputError(f'{len(missing)} of {len(names)} images of the {part} list have no '
                             f'label in {folder}, the first is {missing[0]}.mat: extract '
                             'trainval.tar.gz again.')
    tasks = [Task(path, target / f'{name}.png') for name, path in files.items()]
    done = convert_all(tasks, read_context_mat, num_workers, f'labels in {folder}')
    return done, lists


def _mat_lists(voc: Path, source: ContextSource) -> list[list[str]]:
    if any(source.lists):
        if not all(source.lists):
            raise InputError('only one of the two lists was given, expected both '
                             '--train-list and --val-list.')
        return [read_names(path, f'{part} list') for part, path in zip(PARTS, source.lists)]
    if source.json_path is not None:
        return _json_lists(require_file(source.json_path, 'merged JSON'))
    return [read_names(voc / 'ImageSets/Main' / f'{part}.txt', f'{part} list',
                       'Extract VOCtrainval_03-May-2010.tar, or give --train-list and --val-list.')
            for part in PARTS]


def _json_lists(path: Path) -> list[list[str]]:
    """Image names of the training and validation split in the merged JSON."""
    try:
        images = json.loads(path.read_text(encoding='utf-8'))['images']
        lists = [[Path(image['file_name']).stem for image in images if image['phase'] == part]
                 for part in PARTS]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path} is not the merged JSON of PASCAL in Detail '
                         f'({type(error).__name__}: {error}).') from error
    if not all(lists):
        raise InputError(f'{path} lists {len(lists[0])} training and {len(lists[1])} validation '
                         'images, expected some of both.')
    return lists


def _from_detail(voc: Path, source: ContextSource,
                 target: Path) -> tuple[Conversion, list[list[str]]]:
    """Through the Detail API, which draws masks from the merged JSON."""
    if source.json_path is None:
        raise InputError('nothing to convert: give --mat-dir FOLDER with the public .mat files, '
                         'or the merged JSON for the Detail API.')
    if any(source.lists):
        raise InputError('lists go with --mat-dir: the Detail API uses the split in the JSON.')
    path = require_file(source.json_path, 'merged JSON')
    try:
        from detail import Detail
    except ImportError as error:
        raise InputError(
            'the merged JSON is read by the package detail, which is not installed: install it '
            'from https://github.com/zhanghang1989/detail-api, or give --mat-dir FOLDER with the '
            'public .mat files (bash pascal_context_preparation.sh does).') from error
    converted, skipped, lists = 0, 0, []
    for part in PARTS:
        api = Detail(str(path), str(voc / 'JPEGImages'), part)
        images = {Path(image['file_name']).stem: image for image in api.getImgs()}
        tasks = [Task(voc / 'JPEGImages' / image['file_name'], target / f'{name}.png')
                 for name, image in images.items()]
        # In one process: the API keeps the whole JSON in memory.
        done = convert_all(tasks, partial(_read_mask, api, images), 1, f'{part} masks')
        converted, skipped = converted + done.converted, skipped + done.skipped
        lists.append(list(images))
    return Conversion(converted, skipped), lists


def _read_mask(api, images: dict[str, dict], path: Path) -> np.ndarray:
    """Class ids of one image as the Detail API draws them."""
    return apply_table(np.asarray(api.getMask(images[path.stem])), _TABLE, path)
