"""Writes scenes of the embedded world in VOC's folder layout.

::

    OUT/JPEGImages/train_00000.jpg
    OUT/SegmentationClass/train_00000.png      palette picture, ids 0..13
    OUT/ImageSets/Segmentation/{train,val}.txt
    OUT/tinyworld.json                         the settings; written last
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Iterator, Union

import cv2
import numpy as np
from PIL import Image

from mmseg_maskclip.tinyworld.classes import CLASSES, PALETTE
from mmseg_maskclip.tinyworld.scenes import Picture, scene
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir

PathLike = Union[str, Path]
MARKER = 'tinyworld.json'
# To be raised where the same seed draws another world.
_VERSION = 1
# Validation scenes have other indices however many training scenes are written.
_VAL_FIRST = 1_000_000
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class World:
    """Which scenes to write.

    Attributes:
        train: Number of training scenes.
        val: Number of validation scenes, from another range of indices.
        seed: Which world.
    """

    train: int = 400
    val: int = 100
    seed: int = 0

    def __post_init__(self):
        for name, least in (('train', 0), ('val', 0), ('seed', 0)):
            if getattr(self, name) < least:
                raise InputError(f'{name} is {getattr(self, name)}, expected {least} or more.')
        if self.train + self.val == 0:
            raise InputError('a world of 0 scenes is empty, expected 1 or more.')
        if self.train > _VAL_FIRST:
            raise InputError(f'train is {self.train}, expected at most '
                             f'{_VAL_FIRST}.')


def write_world(out: PathLike, world: World,
                on_scene: Callable[[], None] = lambda: None) -> bool:
    """Write a world, or finish a half-written one.

    Every file appears whole or not at all, and the marker comes last. Scenes
    already there from an earlier, interrupted run of the same world are kept.

    Args:
        out: The folder.
        world: Which scenes.
        on_scene: Called once per scene, also for those kept.

    Returns:
        False if the same world was there already, True otherwise.

    Raises:
        InputError: If the folder can't be written or holds something else.
    """
    out = Path(out)
    wanted = {'version': _VERSION, **asdict(world), 'classes': list(CLASSES)}
    started = out / f'{MARKER}.part'
    if _read(out / MARKER) == wanted and _is_whole(out, world):
        return False
    _check_free(out, started, wanted)
    # First of all: a second writer of the same world, started meanwhile, joins in.
    _write_text(started, json.dumps(wanted))
    for name in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        writable_dir(out / name, 'folder')
    for split in ('train', 'val'):
        names = []
        for name, index in _names(split, getattr(world, split)):
            _write_scene(out, name, world.seed, index)
            names.append(name)
            on_scene()
        _write_text(out / 'ImageSets' / 'Segmentation' / f'{split}.txt',
                    ''.join(f'{name}\n' for name in names))
    _write_text(out / MARKER, json.dumps(wanted, indent=2) + '\n')
    started.unlink(missing_ok=True)
    return True


def _names(split: str, count: int) -> Iterator[tuple[str, int]]:
    first = _VAL_FIRST if split == 'val' else 0
    for i in range(count):
        yield f'{split}_{i:05d}', first + i


def _read(path: Path) -> dict | None:
    """A marker's content, or None where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None


def _check_free(out: Path, started: Path, wanted: dict) -> None:
    """Refuse a folder that holds anything but a part of the same world."""
    if not out.is_dir() or not any(out.iterdir()):
        if out.exists() and not out.is_dir():
            raise InputError(f'{out} is a file, expected a folder.')
        return
    if wanted in (_read(started), _read(out / MARKER)):
        return
    found = _read(out / MARKER) or _read(started)
    what = 'other files'
    if found is not None:
        what = ', '.join(f'{key}={found.get(key)}' for key in ('train', 'val', 'seed'))
        what = f'another world ({what})'
    raise InputError(f'{out} already holds {what}: choose another folder or remove it first, '
                     f'with: rm -r {out}')


def _paths(out: Path, name: str) -> tuple[Path, Path]:
    return out / 'JPEGImages' / f'{name}.jpg', out / 'SegmentationClass' / f'{name}.png'


def _is_whole(out: Path, world: World) -> bool:
    """Whether nothing was removed since the world was completed."""
    lists = [out / 'ImageSets' / 'Segmentation' / f'{split}.txt' for split in ('train', 'val')]
    scenes = [path for split in ('train', 'val')
              for name, _ in _names(split, getattr(world, split)) for path in _paths(out, name)]
    return all(path.is_file() for path in lists + scenes)


def _write_scene(out: Path, name: str, seed: int, index: int) -> None:
    image_path, mask_path = _paths(out, name)
    if image_path.is_file() and mask_path.is_file():
        return
    picture = scene(seed, index)
    with atomic_path(image_path) as path:
        _write_image(path, picture)
    with atomic_path(mask_path) as path:
        save_mask(path, picture.mask)


def _write_image(path: Path, picture: Picture) -> None:
    bgr = cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
        raise InputError(f'{path} cannot be written: is the disk full?')


def save_mask(path: PathLike, mask: np.ndarray) -> None:
    """Save class ids as a palette PNG in the classes' colours.

    Args:
        path: The file.
        mask: Class ids, (H, W), uint8.
    """
    if mask.dtype != np.uint8:
        raise InputError(f'a mask of {mask.dtype} cannot be saved, expected uint8.')
    picture = Image.fromarray(mask)
    picture.putpalette([channel for colour in PALETTE for channel in colour])
    picture.save(path, format='PNG')


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
