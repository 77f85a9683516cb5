"""Which classes are unseen or unlabelled, and label ids of a chosen subset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmseg_maskclip.utils import InputError


def resolve_classes(chosen: Sequence[str | int], class_names: Sequence[str],
                    what: str = 'unseen') -> tuple[int, ...]:
    """Class ids of classes given by name or id, in ascending order.

    Args:
        chosen: Names, ids, or both.
        class_names: All classes; the position is the id.
        what: What they are chosen for, used in errors.

    Raises:
        InputError: For a name or id that is not among the classes, or twice.
    """
    if isinstance(chosen, str) or not isinstance(chosen, Sequence):
        raise InputError(f'{what} must be a list of class names or ids, got {chosen!r}.')
    ids = [_class_id(entry, class_names, what) for entry in chosen]
    twice = sorted({index for index in ids if ids.count(index) > 1})
    if twice:
        raise InputError(f'{what} names class {class_names[twice[0]]!r} (id {twice[0]}) twice.')
    return tuple(sorted(ids))


def _class_id(entry: str | int, class_names: Sequence[str], what: str) -> int:
    if isinstance(entry, str):
        if entry in class_names:
            return list(class_names).index(entry)
        raise InputError(f'{what} class {entry!r} is not among the {len(class_names)} classes '
                         f'of the data set: {", ".join(class_names)}.')
    if isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
        if 0 <= entry < len(class_names):
            return int(entry)
        raise InputError(f'{what} class id {entry} is out of range, expected 0 to '
                         f'{len(class_names) - 1}.')
    raise InputError(f'{what} holds {entry!r}, expected class names or ids.')


def resolve_unlabelled(unlabelled: str | Sequence[str | int] | None, unseen_ids: Sequence[int],
                       class_names: Sequence[str]) -> tuple[int, ...]:
    """Ids of the classes whose labels training must not see.

    Args:
        unlabelled: 'all', 'unseen', a list of names or ids, or None for none.
        unseen_ids: The unseen classes of the data set.
        class_names: All classes; the position is the id.

    Raises:
        InputError: For a class the data set doesn't have, or 'unseen' where
            no class is unseen.
    """
    if unlabelled is None:
        return ()
    if unlabelled == 'all':
        return tuple(range(len(class_names)))
    if unlabelled == 'unseen':
        if not unseen_ids:
            raise InputError("unlabelled is 'unseen', but the data set has no unseen classes: "
                             'name them in unseen.')
        return tuple(unseen_ids)
    if isinstance(unlabelled, str):
        raise InputError(f"unlabelled is {unlabelled!r}, expected 'all', 'unseen' or a list of "
                         'class names or ids.')
    return resolve_classes(unlabelled, class_names, 'unlabelled')


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
