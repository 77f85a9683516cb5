"""Where a test run writes pictures and label files, and in which form."""

from __future__ import annotations

import inspect
import os.path as osp
from collections import Counter
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmcv.utils import print_log
from mmseg.datasets import CustomDataset

from mmseg_maskclip.datasets.checking import parts_of
from mmseg_maskclip.datasets.checking.labels import class_ids
from mmseg_maskclip.engine.samples import located
from mmseg_maskclip.formats import NONE, NONE_16, IndexPng
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir

_PREFIX = 'imgfile_prefix'


def name_within(filename: str) -> Path:
    """An image's file name as a path that stays within whatever folder it is put in.

    Args:
        filename: As a data set gives it: relative to the images, or where a
            list of images says so absolute, or in a folder beside.
    """
    path = PurePath(filename)
    return Path(*(part for part in path.parts if part not in (path.anchor, '..')))


def folder_of(folder: str, dataset: Any, index: int) -> Path:
    """Where the picture of an image goes: of joined data sets each has a folder of its own.

    Args:
        folder: The folder of a run's pictures.
        dataset: The test set.
        index: Of the image in it.
    """
    if not hasattr(dataset, 'datasets'):
        return Path(folder)
    # Files of several folders may have one name.
    return Path(folder, str(dataset.get_dataset_idx_and_sample_idx(index)[0]))


def check_folder(folder: str, flag: str, dataset: Any) -> None:
    """Refuse to write among the images or the labels of a test set.

    Args:
        folder: Where a run is to write.
        flag: What named the folder, used in errors.
        dataset: The test set.

    Raises:
        InputError: If it is a folder of images or labels, or lies in one.
    """
    wanted = Path(folder).resolve()
    for part in parts_of(dataset):
        for what, used in (('image', part.img_dir), ('label', part.ann_dir)):
            taken = Path(used).resolve() if used else None
            if taken is not None and (wanted == taken or taken in wanted.parents):
                raise InputError(f'{flag} {folder} lies in the {what} folder {taken}, whose '
                                 'files it would overwrite or add to: name another folder.')


class LabelFiles:
    """Writes label maps as files: in the data set's own form, else as index PNGs.

    Args:
        dataset: The test set.
        options: ``imgfile_prefix``, the folder, and what the ``format_results``
            of a data set with a form of its own takes.
        work_dir: The files go to its ``format_results`` by default.

    Raises:
        InputError: For an option that nothing reads, or a folder that can't be
            written or holds the data set itself.
    """

    def __init__(self, dataset: Any, options: dict, work_dir: str) -> None:
        self._dataset = dataset
        self._parts = list(parts_of(dataset))
        self._own = [type(part).format_results is not CustomDataset.format_results
                     for part in self._parts]
        self._check_options(options)
        self._options = {key: value for key, value in options.items() if key != _PREFIX}
        self.folder = options.get(_PREFIX, str(Path(work_dir) / 'format_results'))
        if not isinstance(self.folder, str) or not self.folder:
            raise InputError(f'--eval-options {_PREFIX} is {self.folder!r}, expected a folder.')
        check_folder(self.folder, f'--eval-options {_PREFIX}', dataset)
        writable_dir(self.folder, 'folder of label files')
        self._names = [png_names(part) for part in self._parts]
        self._index = [_index_png(part) for part in self._parts]

    def _check_options(self, options: dict) -> None:
        known = {_PREFIX}
        for part, own in zip(self._parts, self._own):
            if own:
                known |= {*inspect.signature(part.format_results).parameters}
        known -= {'results', 'indices', 'kwargs'}
        for key in options:
            if key not in known:
                raise InputError(f'--format-only with --eval-options {key}: expected some of '
                                 f'{", ".join(sorted(known))}.')

    def write(self, labels: np.ndarray, index: int) -> None:
        """Write one label map.

        Args:
            labels: Class ids, (H, W).
            index: Of the image in the test set.

        Raises:
            InputError: If it can't be written.
        """
        part, index = located(self._dataset, index)
        number = self._parts.index(part)
        # As mmseg does, each of several data sets has a folder of its own.
        joined = len(self._own) > 1
        folder = osp.join(self.folder, str(number)) if joined else self.folder
        if not self._own[number]:
            self._index[number].write(osp.join(folder, self._names[number][index]), labels)
            return
        # A form of its own is written for all of the data set's classes.
        # Pixels of none of the classes stay 255, which these forms know as unlabelled.
        ids, none = self._index[number].ids, labels >= len(part.CLASSES)
        labels = ids[np.where(none, 0, labels)] - int(bool(part.reduce_zero_label))
        labels[none] = NONE
        try:
            part.format_results([labels], indices=[index], **{_PREFIX: folder}, **self._options)
        except (TypeError, OSError, ImportError) as error:
            raise InputError(f'the label files of {type(part).__name__} cannot be written to '
                             f'{folder}: {error}.') from error

    def finish(self) -> None:
        """Say where the files are, and which class each id is (in the main process)."""
        for number, (own, part) in enumerate(zip(self._own, self._parts)):
            if own:
                continue
            folder = Path(self.folder, str(number)) if len(self._own) > 1 else Path(self.folder)
            listed = self._index[number].class_list(part.CLASSES)
            with atomic_path(folder / 'classes.txt') as name:
                name.write_text('\n'.join(listed) + '\n', encoding='utf-8')
        print_log(f'Label files: {self.folder}', 'mmseg')


def png_names(part: Any) -> list[str]:
    """Name of a PNG for each image of a data set, in the same subfolders.

    Args:
        part: A data set with files of its own; two images may differ in their suffix alone.
    """
    images = [name_within(info['filename']) for info in part.img_infos]
    counts = Counter(path.with_suffix('') for path in images)
    names = [str(path.with_suffix('.png') if counts[path.with_suffix('')] == 1
                 else path.with_name(f'{path.name}.png')) for path in images]
    return names


def _index_png(part: Any) -> IndexPng:
    return IndexPng(_file_ids(part), part.PALETTE)


def _file_ids(part: Any) -> np.ndarray:
    """The id of each class in a data set's label files, (K,); the lowest of several."""
    values = np.arange(NONE_16)
    classes = class_ids(part, values)
    known = (classes >= 0) & (classes < len(part.CLASSES))
    ids = np.full(len(part.CLASSES), -1)
    # Of equal indices the last one assigned stays.
    ids[classes[known][::-1]] = values[known][::-1]
    if (ids < 0).any():
        raise InputError(f'no id of the label files is read as class '
                         f'{part.CLASSES[int(np.argmin(ids))]!r} of {type(part).__name__}: its '
                         'label maps cannot be written.')
    return ids
