"""Pixel counts per class, from which every segmentation metric is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Union

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError

LabelMap = Union[np.ndarray, Tensor]
NONE = 255
"""Prediction that is none of the classes; with more classes it is one of them."""
AREAS = ('intersect', 'union', 'pred', 'label')


def count_areas(prediction: LabelMap, label: LabelMap, num_classes: int,
                ignore_index: int = 255, name: str = 'the label map') -> tuple[Tensor, ...]:
    """Count the pixels of one image per class.

    Args:
        prediction: Predicted class ids, (H, W), any integer type; 255 is none of
            the classes, and wrong.
        label: Ground-truth class ids, (H, W); ``ignore_index`` is not counted.
        num_classes: Number of classes K.
        ignore_index: The id of pixels that are left out of everything.
        name: What to call the label in an error, usually its file.

    Returns:
        Intersection, union, predicted and labelled area, each (K,) int64.

    Raises:
        InputError: If the two differ in shape, or an id is outside 0..K-1.
    """
    found, truth = labelled_pixels(prediction, label, num_classes, ignore_index, name)
    intersect = np.bincount(truth[found == truth], minlength=num_classes)
    predicted = np.bincount(found[found < num_classes], minlength=num_classes)
    labelled = np.bincount(truth, minlength=num_classes)
    counts = (intersect, predicted + labelled - intersect, predicted, labelled)
    return tuple(torch.from_numpy(area.astype(np.int64)) for area in counts)


def labelled_pixels(prediction: LabelMap, label: LabelMap, num_classes: int, ignore_index: int,
                    name: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of one image that count, once they are checked.

    Args:
        prediction: Predicted class ids, (H, W), any integer type; 255 is none.
        label: Ground-truth class ids, (H, W).
        num_classes: Number of classes K.
        ignore_index: The id of pixels that are left out.
        name: What to call the label in an error.

    Returns:
        Predicted and labelled ids of the N pixels that have a label, each (N,) int64.

    Raises:
        InputError: If the two differ in shape, or an id is outside 0..K-1.
    """
    found, truth = _as_int64(prediction), _as_int64(label)
    if found.shape != truth.shape:
        raise InputError(f'{name} has shape {truth.shape} but the prediction has shape '
                         f'{found.shape}: is it the label of another image?')
    counted = truth != ignore_index
    found, truth = found[counted], truth[counted]
    _check_ids(truth, num_classes, f'{name} holds label id', 'check the label conversion '
               'and reduce_zero_label')
    _check_ids(found[found != NONE], num_classes, f'the prediction for {name} holds class id',
               "the model's num_classes must equal the data set's number of classes")
    return found, truth


def _as_int64(ids: LabelMap) -> np.ndarray:
    if isinstance(ids, Tensor):
        ids = ids.cpu().numpy()
    return np.asarray(ids).astype(np.int64, copy=False)


def _check_ids(ids: np.ndarray, num_classes: int, what: str, fix: str) -> None:
    if ids.size == 0:
        return
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise InputError(f'{what} {wrong}, expected 0 to {num_classes - 1}: {fix}.')


def sum_areas(results: Iterable[Sequence[Tensor] | Tensor]) -> tuple[Tensor, ...]:
    """Add up the areas of many images.

    Args:
        results: One 4-tuple of :func:`count_areas` per image, or one such
            4-tuple that is summed already.

    Returns:
        Intersection, union, predicted and labelled area, each (K,), in the
        type they came in.

    Raises:
        InputError: If there is nothing to add.
    """
    areas = list(results)
    if not areas:
        raise InputError('there are no results to evaluate: no image was predicted.')
    summed = [area for area in areas if isinstance(area, Tensor) and area.ndim == 1]
    if len(summed) == len(areas) == len(AREAS):
        return tuple(summed)
    totals = [area.clone() for area in areas[0]]
    for image in areas[1:]:
        for total, area in zip(totals, image):
            total += area
    return tuple(totals)
