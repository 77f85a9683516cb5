"""COCO-Object: raw ids of COCO's pixel maps to 80 things and the background."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmseg_maskclip.datasets.converters.coco_stuff164k import convert_pixel_maps, train_ids
from mmseg_maskclip.datasets.converters.common import (
    Conversion,
    PathLike,
    apply_table,
    read_png,
)

_THINGS = 80
# The things come first among the classes of COCO-Stuff. All but things is background, and so is
# what nobody labelled (255).
_IDS = {raw: index + 1 if index < _THINGS else 0 for raw, index in train_ids().items()}


def convert_coco_object(coco: PathLike, out_dir: PathLike | None = None,
                        num_workers: int = 16) -> Conversion:
    """Write ``*_instanceTrainIds.png`` beside the raw pixel maps of COCO-Stuff 164k.

    Args:
        coco: The folder with annotations/train2017 and annotations/val2017;
            one of the two is enough.
        out_dir: Another folder for annotations/; images/ is linked there.
        num_workers: Processes.

    Raises:
        InputError: If something is missing or can't be read.
    """
    return convert_pixel_maps(coco, out_dir, num_workers, '_instanceTrainIds', read_objects)


def read_objects(path: Path) -> np.ndarray:
    """Class ids of one pixel map, (H, W) uint8: 0 for background, 1 to 80 for the things.

    Raises:
        InputError: If it holds ids other than 0..181 and 255.
    """
    return apply_table(read_png(path), _IDS, path)
