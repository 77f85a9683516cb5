"""What a config says of the ids in label files: which are ignored, which are other ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mmseg_maskclip.datasets.splits import remap
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError, require_number


@dataclasses.dataclass(frozen=True)
class LabelIds:
    """Settings of the ids of label files, before zero is reduced and classes are chosen.

    Attributes:
        ignored: Ids that are ignored beside 255.
        renamed: Id of a file -> the id it stands for.
    """

    ignored: tuple[int, ...] = ()
    renamed: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, ignore_index: int | Sequence[int],
           remap_ids: Mapping[int | str, int] | None) -> LabelIds:
        """Check what stands in a config.

        Args:
            ignore_index: An id, or several.
            remap_ids: Id -> id; a config that was written to a file has words as keys.

        Raises:
            InputError: If they are no ids.
        """
        several = isinstance(ignore_index, (list, tuple))
        ignored = ignore_index if several else [ignore_index]
        for index in ignored:
            require_number(index, 'ignore_index', minimum=0, whole=True,
                           hint='one id of the label files, or a list of them')
        if not isinstance(remap_ids or {}, Mapping):
            raise InputError(f'remap_ids is {remap_ids!r}, expected a dict of ids in the label '
                             'files and the ids they stand for, such as {7: 0, 8: 1}.')
        renamed = {}
        for old, new in (remap_ids or {}).items():
            old = int(old) if isinstance(old, str) and old.isdecimal() else old
            require_number(old, 'a key of remap_ids', minimum=0, whole=True)
            renamed[old] = require_number(new, f'remap_ids[{old}]', minimum=0, maximum=IGNORED,
                                          whole=True, hint=f'{IGNORED} is ignored')
        return cls(tuple(index for index in ignored if index != IGNORED), renamed)

    def __bool__(self) -> bool:
        return bool(self.ignored or self.renamed)

    def apply(self, ids: np.ndarray) -> np.ndarray:
        """Ids of a file, of any shape, as the data set reads them; 255 is ignored."""
        if not self:
            return ids
        settled = remap(ids, dict(self.renamed), IGNORED)
        settled[np.isin(ids, self.ignored)] = IGNORED
        return settled
