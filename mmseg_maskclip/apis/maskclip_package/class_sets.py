"""Classes and colours of the data sets of the earlier ``maskclip`` package, aligned."""

from __future__ import annotations

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.datasets.published import COCOStuff164kDataset, Context59Dataset, VOC20Dataset
from mmseg_maskclip.utils import InputError

_SETS = {'voc': VOC20Dataset, 'context': Context59Dataset, 'stuff': COCOStuff164kDataset}
_LONG = {'voc': 'pascal_voc', 'context': 'pascal_context', 'stuff': 'coco_stuff'}
_NAMES = {alias: name for name, long in _LONG.items()
          for alias in (name, long, long.replace('_', '-'))}


def available_datasets() -> list[str]:
    """Names of the data sets; ``pascal_voc``, ``pascal-voc`` ... are the same."""
    return list(_SETS)


def available_palette() -> list[str]:
    """Names of the data sets that have colours, all of them."""
    return available_datasets()


def dataset_name(dataset: str) -> str:
    """The short name of a data set.

    Args:
        dataset: Short or long.

    Raises:
        InputError: If it is unknown.
    """
    if not isinstance(dataset, str) or dataset not in _NAMES:
        raise InputError(f'dataset is {dataset!r}, expected one of {", ".join(_NAMES)}.')
    return _NAMES[dataset]


def get_classes(dataset: str) -> list[str]:
    """Class names as they are asked for, one a channel: 20, 59 or 171, no background.

    Args:
        dataset: See :func:`available_datasets`.

    Raises:
        InputError: If it is unknown.
    """
    return list(load_vocabulary(dataset_name(dataset)).class_names)


def get_palette(dataset: str) -> list[list[int]]:
    """RGB of each class of :func:`get_classes`.

    Args:
        dataset: See :func:`available_datasets`.

    Raises:
        InputError: If it is unknown.
    """
    return [list(colour) for colour in _SETS[dataset_name(dataset)].PALETTE]
