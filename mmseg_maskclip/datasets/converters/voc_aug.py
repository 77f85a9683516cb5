"""PASCAL VOC 2012 with the extra labels of SBD ("aug", Hariharan et al., 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmseg_maskclip.datasets.converters.common import (
    IGNORE,
    Conversion,
    PathLike,
    Task,
    apply_table,
    convert_all,
    read_mat,
    write_list,
)
from mmseg_maskclip.datasets.reading import read_names
from mmseg_maskclip.utils import InputError, require_dir

_IDS = {**{index: index for index in range(21)}, IGNORE: IGNORE}
_COMPLETE = 10582
_LISTS = Path('VOC2012/ImageSets/Segmentation')


def convert_voc_aug(devkit: PathLike, aug_dir: PathLike, out_dir: PathLike | None = None,
                    num_workers: int = 1) -> Conversion:
    """Make ``SegmentationClassAug`` and the lists trainaug.txt and aug.txt.

    trainaug is VOC's training list and all of SBD, less VOC's validation
    list; aug is the part of it that VOC does not label.

    Args:
        devkit: The folder VOCdevkit, with VOC2012 in it.
        aug_dir: The folder with SBD's ``dataset/cls/*.mat`` and
            ``dataset/{train,val}.txt``.
        out_dir: Where labels go; by default VOC2012/SegmentationClassAug.
        num_workers: Processes.

    Raises:
        InputError: If something is missing or can't be read.
    """
    lists = require_dir(Path(devkit) / _LISTS, 'folder of VOC lists',
                        'Extract VOCtrainval_11-May-2012.tar and give its VOCdevkit folder.')
    dataset = require_dir(Path(aug_dir) / 'dataset', 'SBD folder',
                          'Extract benchmark.tgz of SBD and give its benchmark_RELEASE folder.')
    sources = sorted(require_dir(dataset / 'cls', 'folder of SBD labels').glob('*.mat'))
    train, val = (read_names(lists / f'{name}.txt', 'VOC list') for name in ('train', 'val'))
    sbd = [name for part in ('train', 'val')
           for name in read_names(dataset / f'{part}.txt', 'SBD list')]
    trainaug = sorted({*train, *sbd} - set(val))
    aug = sorted(set(sbd) - {*train, *val})
    # Before the labels are converted, which takes minutes.
    _check_complete(aug, sources)
    target = Path(out_dir) if out_dir else Path(devkit) / 'VOC2012/SegmentationClassAug'
    tasks = [Task(source, target / f'{source.stem}.png') for source in sources]
    done = convert_all(tasks, read_sbd, num_workers, f'SBD labels in {dataset / "cls"}')
    write_list(lists / 'trainaug.txt', trainaug)
    write_list(lists / 'aug.txt', aug)
    note = f'trainaug.txt lists {len(trainaug)} images, aug.txt {len(aug)}'
    if len(trainaug) != _COMPLETE:
        note += f': the complete sets make {_COMPLETE}'
    return Conversion(done.converted, done.skipped, (note,))


def read_sbd(path: Path) -> np.ndarray:
    """Class ids of one SBD file, (H, W) uint8.

    Raises:
        InputError: If it is not an SBD file or holds ids other than 0..20 and 255.
    """
    content = read_mat(path)
    if 'GTcls' not in content:
        raise InputError(f'{path} has no variable GTcls: it is not an SBD label')
    record = content['GTcls']
    if record.dtype.names is None or 'Segmentation' not in record.dtype.names or not record.size:
        raise InputError(f'{path} has no field GTcls.Segmentation: it is not an SBD label')
    # SciPy reads a MATLAB struct as an array of one record.
    return apply_table(record['Segmentation'].flat[0], _IDS, path)


def _check_complete(names: list[str], sources: list[Path]) -> None:
    """Every listed image must have a label, or training stops at it."""
    missing = sorted(set(names) - {source.stem for source in sources})
    if missing:
        raise InputError(f'{len(missing)} of {len(names)} images listed by SBD have no label '
                         f'file, the first is {missing[0]}.mat: extract SBD again.')
