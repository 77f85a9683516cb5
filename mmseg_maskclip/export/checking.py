"""The check of an exported file: against the model itself, at sizes it was not traced with."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

import numpy as np
import torch

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models.backbones import ClipViT
from mmseg_maskclip.models.segmentors.encoding import EncodesInputs
from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.portable.inputs import resize_picture
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

Run = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]
"""From an image (1, 3, H, W) and a bank (R, D) to the outputs of the exported graph."""
# Of the largest score: above it a difference is none of rounding; below it two classes tie.
_MOST, _TIE = 1e-3, 1e-5
# In patches, or steps of 32 pixels and what is over, beside the grid of CLIP's own position table,
# which is taken as it is; none is the size that is traced.
_SIZES = ((8, 13), (21, 6))
_STEP, _OVER = 32, (7, 18)
_SQUARE = 16
_ROWS = (3, 14, 5)


class Check(NamedTuple):
    """What comparing a file with its model gave.

    Attributes:
        sizes: (H, W) of the images.
        rows: Of the banks.
        difference: The largest, as a share of the largest score.
        equal: Share of the grids' cells that have the same best class, ties counted as such.
    """

    sizes: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    difference: float
    equal: float


def compare(run: Run, model: EncodesInputs, description: Description,
            bank: np.ndarray | None = None) -> Check:
    """Compare an exported file with the model, at three sizes and with two banks.

    Args:
        run: Runs the file.
        model: The model; its classes are replaced.
        description: Of it.
        bank: Rows of a bank that is used for one of the two.

    Raises:
        InputError: If the file does not run.
    """
    step, over = (description.patch, (0, 0)) if description.patch > 1 else (_STEP, _OVER)
    sizes = tuple((rows * step + over[0], columns * step + over[1])
                  for rows, columns in (_own_grid(model), *_SIZES))
    random = [_random_bank(rows, description.width, seed) for seed, rows in enumerate(_ROWS)]
    second = random[1] if bank is None else bank.astype(np.float32)
    # The number of rows is a size, too.
    banks = [random[2] if len(second) == len(random[0]) else random[0], second]
    differences, equal, cells = [], 0, 0
    for number, size in enumerate(sizes):
        image = resize_picture(scene(0, number).image, size).astype(np.float32)
        image = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
        for embeddings in banks:
            ours = _run_model(model, description, image, embeddings)
            theirs = _run_file(run, image, embeddings)
            differences.append(_difference(ours, theirs, size))
            same = _same_class(ours[0], np.asarray(theirs[0]))
            equal, cells = equal + int(same.sum()), cells + same.size
    return Check(sizes, tuple(len(one) for one in banks), max(differences), equal / cells)


def require_equal(check: Check) -> None:
    """Refuse a file that gives other labels than its model.

    Args:
        check: Output of :func:`compare`.

    Raises:
        InputError: If it does.
    """
    if check.equal < 1 or not check.difference <= _MOST:
        raise InputError(f'the exported model differs from the model: {check.equal:.4%} of its '
                         f'cells have the same class, the largest difference is '
                         f'{check.difference:.1e} of the largest score; no file was written.')


def _own_grid(model: EncodesInputs) -> tuple[int, int]:
    tower = getattr(model.backbone, 'tower', model.backbone)
    if not isinstance(tower, ClipViT):
        return _SQUARE, _SQUARE
    return tower.stored_grid or (tower.spec.grid, tower.spec.grid)


def _run_model(model: EncodesInputs, description: Description, image: np.ndarray,
               bank: np.ndarray) -> list[np.ndarray]:
    mean, std = (torch.tensor(value).view(1, 3, 1, 1)
                 for value in (description.mean, description.std))
    names = tuple(str(index) for index in range(len(bank)))
    model.replace_classes(TextBank(torch.from_numpy(bank), names))
    with torch.no_grad():
        features = model.read_window((torch.from_numpy(image) - mean) / std)
        found = [model.score_features(features), model.window_embedding(features)]
    return [value.numpy() for value in found if value is not None]


def _run_file(run: Run, image: np.ndarray, bank: np.ndarray) -> Sequence[np.ndarray]:
    try:
        return run(image, bank)
    except Exception as error:
        height, width = image.shape[2:]
        raise InputError(f'the exported model fails for an image of {width} x {height} and '
                         f'{len(bank)} words, no file was written: '
                         f'{str(error).splitlines()[0]}.') from error


def _difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray],
                size: tuple[int, int]) -> float:
    shapes = [value.shape for value in ours], [value.shape for value in theirs]
    if shapes[0] != shapes[1]:
        raise InputError(f'the exported model gives {shapes[1]} for an image of '
                         f'{size[1]} x {size[0]}, expected {shapes[0]}; no file was written.')
    return max(float(np.abs(own - other).max() / np.abs(own).max())
               for own, other in zip(ours, theirs))


def _same_class(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of each cell, (1, h, w) bool; classes that tie in ours are one."""
    chosen = np.take_along_axis(ours, theirs.argmax(axis=1)[:, None], axis=1)[:, 0]
    return chosen >= ours.max(axis=1) - _TIE * np.abs(ours).max()


def _random_bank(rows: int, width: int, seed: int) -> np.ndarray:
    found = np.random.RandomState(seed).standard_normal((rows, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
