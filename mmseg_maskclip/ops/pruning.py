"""Label maps without the scores of classes that can't win."""

from __future__ import annotations

from typing import Iterator

import torch
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.ops.score_maps import ScoreMap

# Above what rounding can do to a sum of products.
_MARGIN = 1e-5
_MANY = 64


def worth_pruning(scores: ScoreMap) -> bool:
    """Whether there are so many classes that looking for those that can't win costs less.

    Args:
        scores: Of one image; on a GPU the CPU would wait for it in every tile.
    """
    return scores.device.type == 'cpu' and scores.num_classes >= _MANY


def pruned_labels(scores: ScoreMap, boxes: Iterator[tuple[slice, slice]]) -> Tensor:
    """The arg-max of a score map; of equal scores the lowest id.

    Every score at image size is a weighted mean of scores on the grid. In a tile a class stays
    below its highest score among the grid's cells there; where another class has more in
    each of them, it wins nowhere in the tile, and is not interpolated.

    Args:
        scores: Of one image.
        boxes: Tiles that cover it, rows and columns.

    Returns:
        Class ids, (H, W) int64.

    Example:
        >>> from mmseg_maskclip.ops import compose_resize
        >>> axes = [compose_resize(1, 1, 0, 1, 1, 1)], [compose_resize(2, 4, 0, 4, 4, 4)]
        >>> scores = ScoreMap([torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[-1.0, -2.0]]])], *axes)
        >>> pruned_labels(scores, iter([(slice(0, 1), slice(0, 4))]))
        tensor([[0, 0, 1, 1]])
    """
    labels = torch.empty(scores.size, dtype=torch.int64)
    with full_precision(labels):
        for box in boxes:
            bounds = (box[0].start, box[0].stop, box[1].start, box[1].stop)
            ids = _candidates(scores, bounds)
            if len(ids) == 1:
                labels[box] = ids[0]
            elif len(ids) == scores.num_classes:
                labels[box] = scores.tile(*bounds).argmax(dim=2)
            else:
                labels[box] = ids[scores.tile(*bounds, classes=ids).argmax(dim=2)]
    return labels


def _candidates(scores: ScoreMap, bounds: tuple[int, int, int, int]) -> Tensor:
    """Ids of the classes that may win a pixel of a tile, (C,) int64, sorted."""
    cells = torch.cat([patch.flatten(0, 1) for patch in scores.patches(*bounds)])
    low, high = cells.aminmax(dim=0)
    least = low.max()
    return (high >= least - _MARGIN * least.abs().clamp(min=1)).nonzero().flatten()
