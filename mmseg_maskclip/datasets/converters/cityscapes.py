"""Cityscapes: label ids of the fine annotation to the 19 training ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmseg_maskclip.datasets.cityscapes import LABEL_IDS
from mmseg_maskclip.datasets.converters.common import (
    IGNORE,
    Conversion,
    PathLike,
    Task,
    apply_table,
    convert_all,
    read_png,
)
from mmseg_maskclip.utils import InputError, require_dir

_NUM_LABELS = 34
_TRAIN_IDS = {**dict.fromkeys((*range(_NUM_LABELS), IGNORE), IGNORE),
              **{label: index for index, label in enumerate(LABEL_IDS)}}
_EXTRACT = 'Extract gtFine_trainvaltest.zip there.'


def convert_cityscapes(root: PathLike, num_workers: int = 1) -> Conversion:
    """Write ``*_labelTrainIds.png`` beside the ``*_labelIds.png`` of gtFine.

    Args:
        root: The folder with gtFine.
        num_workers: Processes.

    Raises:
        InputError: If something is missing or can't be read.
    """
    folder = require_dir(Path(root) / 'gtFine', 'Cityscapes label folder', _EXTRACT)
    sources = sorted(folder.rglob('*_gtFine_labelIds.png'))
    if not sources:
        raise InputError(f'no *_gtFine_labelIds.png was found in {folder}. {_EXTRACT}')
    tasks = [Task(path, path.with_name(path.name.replace('_labelIds', '_labelTrainIds')))
             for path in sources]
    return convert_all(tasks, read_label_ids, num_workers, f'labels in {folder}')


def read_label_ids(path: Path) -> np.ndarray:
    """Training ids of one label file, (H, W) uint8.

    Raises:
        InputError: If it holds ids other than 0..33 and 255.
    """
    return apply_table(read_png(path), _TRAIN_IDS, path)
