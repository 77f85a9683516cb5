"""COCO's pixel maps of things and stuff: raw ids to the 171 classes of COCO-Stuff 164k."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import numpy as np

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

#: Ids of the 182 that name no class (they are in no image of the 2017 release).
REMOVED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
# The pixel maps' own names are numbers; both kinds of converted files lie beside them.
_CONVERTED = 'TrainIds'
_PARTS = ('train2017', 'val2017')
_COMPLETE = 123287
_EXTRACT = 'Extract stuffthingmaps_trainval2017.zip in its folder annotations.'


def train_ids() -> dict[int, int]:
    """Raw id -> training id: 171 classes in order, the rest ignored."""
    kept = [raw for raw in range(182) if raw not in REMOVED]
    table = {raw: index for index, raw in enumerate(kept)}
    table.update(dict.fromkeys((*REMOVED, IGNORE), IGNORE))
    return table


_TRAIN_IDS = train_ids()


def convert_coco_stuff164k(coco: PathLike, out_dir: PathLike | None = None,
                           num_workers: int = 16) -> Conversion:
    """Write ``*_labelTrainIds.png`` beside the raw pixel maps.

    Args:
        coco: The folder with annotations/train2017 and annotations/val2017;
            one of the two is enough.
        out_dir: Another folder for annotations/; images/ is linked there.
        num_workers: Processes.

    Raises:
        InputError: If something is missing or can't be read.
    """
    return convert_pixel_maps(coco, out_dir, num_workers, '_labelTrainIds', read_pixel_map)


def convert_pixel_maps(coco: PathLike, out_dir: PathLike | None, num_workers: int, suffix: str,
                       read_labels: Callable[[Path], np.ndarray]) -> Conversion:
    """Convert all raw pixel maps of COCO 2017.

    Args:
        coco: As in :func:`convert_coco_stuff164k`.
        out_dir: As there.
        num_workers: As there.
        suffix: What a converted file's name has behind the number of its image.
        read_labels: Final ids of a pixel map, (H, W) uint8; must be picklable.

    Raises:
        InputError: If something is missing or can't be read.
    """
    coco = require_dir(coco, 'COCO folder')
    annotations = require_dir(coco / 'annotations', 'folder of pixel maps', _EXTRACT)
    target = Path(out_dir) if out_dir else coco
    tasks = [Task(source, target / 'annotations' / part / f'{source.stem}{suffix}.png')
             for part in _PARTS for source in sorted((annotations / part).glob('*.png'))
             if not source.stem.endswith(_CONVERTED)]
    if not tasks:
        raise InputError(f'no pixel maps were found in {annotations}/train2017 or '
                         f'{annotations}/val2017. {_EXTRACT}')
    done = convert_all(tasks, read_labels, num_workers, f'pixel maps in {annotations}')
    if target != coco:
        _link_images(coco, target)
    notes = () if len(tasks) == _COMPLETE else (
        f'{len(tasks)} pixel maps were found: train2017 and val2017 together have {_COMPLETE}',)
    return Conversion(done.converted, done.skipped, notes)


def read_pixel_map(path: Path) -> np.ndarray:
    """Training ids of one pixel map, (H, W) uint8.

    Raises:
        InputError: If it holds ids other than 0..181 and 255.
    """
    return apply_table(read_png(path), _TRAIN_IDS, path)


def _link_images(coco: Path, target: Path) -> None:
    """Data sets expect images and labels in one folder."""
    link, images = target / 'images', coco / 'images'
    if images.is_dir() and not link.exists():
        link.symlink_to(images.resolve(), target_is_directory=True)
