"""Which classes are unseen, by name or id, and label ids of a chosen subset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmseg_maskclip.utils import InputError


def resolve_unseen(unseen: Sequence[str | int], class_names: Sequence[str]) -> tuple[int, ...]:
    """Class ids of classes given by name or id, in ascending order.

    Args:
        unseen: Names, ids, or both.
        class_names: All classes; the position is the id.

    Raises:
        InputError: For a name or id that is not among the classes, or twice.
    """
    if isinstance(unseen, str) or not isinstance(unseen, Sequence):
        raise InputError(f'unseen must be a list of class names or ids, got {unseen!r}.')
    ids = [_class_id(entry, class_names) for entry in unseen]
    twice = sorted({index for index in ids if ids.count(index) > 1})
    if twice:
        raise InputError(f'unseen names class {class_names[twice[0]]!r} (id {twice[0]}) twice.')
    return tuple(sorted(ids))


def _class_id(entry: str | int, class_names: Sequence[str]) -> int:
    if isinstance(entry, str):
        if entry in class_names:
            return list(class_names).index(entry)
        raise InputError(f'unseen class {entry!r} is not among the {len(class_names)} classes '
                         f'of the data set: {", ".join(class_names)}.')
    if isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
        if 0 <= entry < len(class_names):
            return int(entry)
        raise InputError(f'unseen class id {entry} is out of range, expected 0 to '
                         f'{len(class_names) - 1}.')
    raise InputError(f'unseen holds {entry!r}, expected class names or ids.')


def reduce_zero(labels: np.ndarray, ignore_index: int) -> np.ndarray:
    """Shift ids down by one: 0 becomes ignored, ``ignore_index`` stays."""
    ignored = (labels == 0) | (labels == ignore_index)
    return np.where(ignored, ignore_index, labels - 1)


def remap(labels: np.ndarray, label_map: dict[int, int], ignore_index: int) -> np.ndarray:
    """Rename ids; those mapped to a negative id are ignored.

    Args:
        labels: Ids, (H, W).
        label_map: Old id -> new id; ids that are not in it stay.
        ignore_index: What a negative new id becomes.
    """
    renamed = labels.copy()
    for old, new in label_map.items():
        renamed[labels == old] = new if new >= 0 else ignore_index
    return renamed


def raw_label_map(label_map: dict[int, int], reduce_zero_label: bool,
                  ignore_index: int) -> dict[int, int]:
    """The same renaming for ids as they stand in the file.

    mmseg's loader renames before it shifts ids down, and writes into 8-bit
    maps, where NumPy 2 no longer accepts a -1.

    Args:
        label_map: Class id -> new class id, negative for ignored.
        reduce_zero_label: Whether file ids are shifted down afterwards.
        ignore_index: What a negative new id becomes.
    """
    shift = int(reduce_zero_label)
    return {old + shift: new + shift if new >= 0 else ignore_index
            for old, new in label_map.items()}
