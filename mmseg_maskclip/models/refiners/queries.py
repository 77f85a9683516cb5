"""Which class each query belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmseg_maskclip.ops import pool_queries, pool_rows


@dataclass(frozen=True)
class QueryClasses:
    """The queries that compete for the pixels of an image, and their classes.

    Attributes:
        row_class: Class id of each query, (Q,) int64; ``num_classes`` is none of the classes.
        num_classes: K.
        width: K, or K + 1 where there are queries of none of the classes.
        background: Id of pixels that no class takes, 0 to K.
        spared: Classes below ``width`` that are no foreground.
        rows: Rows of the text embeddings that the queries are, (Q,) int64; None for all.
        plain: Whether query i is class i, so that there is nothing to pool.
    """

    row_class: Tensor
    num_classes: int
    width: int
    background: int
    spared: tuple[int, ...]
    rows: Tensor | None = None
    plain: bool = False

    @classmethod
    def of_bank(cls, row_class: Tensor, num_classes: int, label: int | None) -> QueryClasses:
        """All rows of a text bank, for its classes.

        Args:
            row_class: Class of each row, (R,); K for contrast words.
            num_classes: K.
            label: The class that is the background, None where there is none.
        """
        listed = row_class.tolist()
        if label is not None:
            listed = [label if index == num_classes else index for index in listed]
        return cls._of(listed, num_classes, num_classes if label is None else label, (label,),
                       None, row_class.device)

    @classmethod
    def of_candidates(cls, row_class: Tensor, num_classes: int, classes: tuple[int, ...],
                      label: int | None) -> QueryClasses:
        """The rows of some classes, which get ids in their order.

        Contrast words compete with them, and so does the background, where it
        is none of them; what these win is none of the classes.

        Args:
            row_class: Class of each row, (R,); K for contrast words.
            num_classes: K.
            classes: The candidates, C of them.
            label: The class that is the background, None where there is none.
        """
        place = {index: position for position, index in enumerate(classes)}
        place.setdefault(num_classes, len(classes))
        if label is not None:
            place.setdefault(label, len(classes))
        listed = row_class.tolist()
        rows = [row for row, index in enumerate(listed) if index in place]
        spared = place[label] if label is not None else None
        return cls._of([place[listed[row]] for row in rows], len(classes), len(classes),
                       (spared,), None if len(rows) == len(listed) else rows, row_class.device)

    @classmethod
    def _of(cls, listed: list[int], num_classes: int, background: int,
            spared: tuple[int | None, ...], rows: list[int] | None,
            device: torch.device) -> QueryClasses:
        width = max(listed) + 1
        kept = {index for index in (*spared, num_classes) if index is not None and index < width}
        return cls(torch.tensor(listed, device=device), num_classes, width, background,
                   tuple(sorted(kept)),
                   None if rows is None else torch.tensor(rows, device=device),
                   listed == list(range(width)))

    def pool(self, values: Tensor) -> Tensor:
        """Value of each class, the highest of its queries: (..., Q) to (..., width)."""
        return values if self.plain else pool_queries(values, self.row_class, self.width)

    def pool_grid(self, scores: Tensor) -> Tensor:
        """The same on a score grid: (B, Q, h, w) to (B, width, h, w)."""
        return scores if self.plain else pool_rows(scores, self.row_class, self.width)
