"""A temperature for confidences, from a few labelled pictures."""

from __future__ import annotations

from typing import Any, Iterable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from mmseg_maskclip.engine.predict.classify import Reading
from mmseg_maskclip.evaluation.temperature import fit_temperature
from mmseg_maskclip.utils import InputError, require_file

_PIXELS = 20_000


def fit_on_pictures(model: nn.Module, readings: Iterable[tuple[np.ndarray, Reading]],
                    labels: Any, count: int) -> float:
    """Fit a temperature to the labels of some pictures.

    Args:
        model: What the readings are of.
        readings: Each picture (H, W, 3) and its reading at temperature 1.
        labels: Label maps, files or arrays (H, W); ids from K count for nothing.
        count: Number of pictures.

    Raises:
        InputError: If there are no pictures, labels are missing or of another
            size, no pixel has a label, or the scores of the model are no
            probabilities.
    """
    if not model.exclusive_classes:
        raise InputError("ZegCLIP's masks do not exclude each other, their scores are no "
                         'probabilities to calibrate.')
    if not count or len(labels) != count:
        raise InputError(f'{count} pictures have {len(labels)} label maps, expected one each, and '
                         'at least one.')
    found = [_labelled_pixels(picture, reading, _read_labels(given))
             for (picture, reading), given in zip(readings, labels)]
    probabilities = torch.cat([pair[0] for pair in found])
    if not len(probabilities):
        raise InputError('no pixel of the label maps has the index of a word.')
    return fit_temperature(probabilities.clamp_min(1e-30).log(),
                           torch.cat([pair[1] for pair in found]))


def _labelled_pixels(picture: np.ndarray, reading: Reading,
                     labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K + M) and ids (N,) of some labelled pixels, evenly spread."""
    if labels.shape != picture.shape[:2]:
        raise InputError(f'a label map has shape {labels.shape}, its picture '
                         f'{picture.shape[:2]}: expected the same.')
    step = max(1, int(np.ceil((labels.size / _PIXELS) ** 0.5)))
    values, ids = [], []
    for (rows, columns), words, contrast in reading.tiles():
        grid = np.ix_(_every(rows, step), _every(columns, step))
        truth = torch.from_numpy(labels[rows, columns][grid].astype(np.int64)).flatten()
        chosen = torch.cat([words, contrast], dim=-1).cpu()[grid].flatten(0, 1)
        known = (truth >= 0) & (truth < reading.num_words)
        values.append(chosen[known])
        ids.append(truth[known])
    return torch.cat(values), torch.cat(ids)


def _every(span: slice, step: int) -> np.ndarray:
    """Places within a tile of each row, or column, whose number is a multiple of the step."""
    return np.arange(-span.start % step, span.stop - span.start, step)


def _read_labels(given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, Image.Image):
        return np.array(given)
    with Image.open(require_file(given, 'label map')) as image:
        return np.array(image)
