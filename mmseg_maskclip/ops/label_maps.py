"""Label and probability maps of resized scores, tile by tile."""

from __future__ import annotations

import math
from typing import Callable, Iterator, Sequence, cast

import torch
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.ops.resize import area_weights
from mmseg_maskclip.ops.score_maps import Scores
from mmseg_maskclip.ops.scores import best_class, class_softmax

TILE_BYTES_CPU = 2 << 20
"""Scores of one tile on a CPU: about what a core's cache holds."""
TILE_BYTES_GPU = 256 << 20
"""Scores of one tile on an accelerator: large enough to hide the launches."""


def _tile_side(device: torch.device, num_classes: int) -> int:
    budget = TILE_BYTES_CPU if device.type == 'cpu' else TILE_BYTES_GPU
    return max(8, math.isqrt(budget // (4 * num_classes)))


def best_classes(maps: Sequence[Scores],
                 probabilities: Callable[[Tensor], Tensor] = class_softmax
                 ) -> tuple[Tensor, Tensor]:
    """Best class of every pixel and its score, tile by tile.

    One map: the arg-max of its scores. Several maps (flips and scales of one
    image): the arg-max of their mean probability, as mmsegmentation averages
    test-time augmentations.

    Args:
        maps: Score maps of one image, all of one size and class count.
        probabilities: Class probabilities (..., K) of scores (..., K).

    Returns:
        Class ids (H, W) int64 and their scores (H, W) float32 (of several
        maps, the mean probability), on the scores' device.

    Example:
        Two classes on a grid of two cells, as four pixels:

        >>> import torch
        >>> from mmseg_maskclip.ops import ScoreMap, compose_resize
        >>> axes = [compose_resize(1, 1, 0, 1, 1, 1)], [compose_resize(2, 4, 0, 4, 4, 4)]
        >>> scores = ScoreMap([torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])], *axes)
        >>> labels, best = best_classes([scores])
        >>> labels, best
        (tensor([[0, 0, 1, 1]]), tensor([[1.0000, 0.7500, 0.7500, 1.0000]]))
    """
    return scan(maps, _reader(maps, probabilities))


def best_in_groups(maps: Sequence[Scores], groups: Sequence[Sequence[int]],
                   probabilities: Callable[[Tensor], Tensor] = class_softmax
                   ) -> list[tuple[Tensor, Tensor]]:
    """Best class of every pixel within each of some groups of classes, tile by tile.

    Args:
        maps: Score maps of one image, as for :func:`best_classes`.
        groups: Class ids of each group, none of them empty.
        probabilities: As there.

    Returns:
        Per group the class ids (H, W) int64 and their scores (H, W) float32; of equal
        scores the lowest id.

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> scores = HeldScores(torch.tensor([[[1.0, 3.0]], [[2.0, 0.0]], [[9.0, 9.0]]]))
        >>> (labels, best), (other, _) = best_in_groups([scores], [[0, 1], [2]])
        >>> labels, best, other
        (tensor([[1, 0]]), tensor([[2., 3.]]), tensor([[2, 2]]))
    """
    read, device = _reader(maps, probabilities), maps[0].device
    ids = [torch.tensor(sorted(group), device=device) for group in groups]
    found = [(torch.empty(maps[0].size, dtype=torch.int64, device=device),
              torch.empty(maps[0].size, device=device)) for _ in groups]
    with full_precision(found[0][1]):
        for box in tiles(maps):
            values = read(box)
            for group, (labels, best) in zip(ids, found):
                best[box], place = best_class(values.index_select(2, group))
                labels[box] = group[place]
    return found


def _reader(maps: Sequence[Scores], probabilities: Callable[[Tensor], Tensor]
            ) -> Callable[[tuple[slice, slice]], Tensor]:
    """What classes are compared by: the scores of one map, the mean probability of several."""
    if len(maps) == 1:
        return lambda box: maps[0].tile(*_bounds(box))
    return lambda box: mean_probability(maps, box, probabilities)


def scan(maps: Sequence[Scores],
         read: Callable[[tuple[slice, slice]], Tensor]) -> tuple[Tensor, Tensor]:
    """Largest value of every pixel and where it stands, tile by tile.

    Args:
        maps: Score maps of one image, whose size and device it has.
        read: Values (h, w, C) of a tile.

    Returns:
        Indices (H, W) int64 and values (H, W) float32.

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> scores = HeldScores(torch.tensor([[[1.0, 3.0]], [[2.0, 0.0]]]))
        >>> scan([scores], lambda box: -scores.values[:, box[0], box[1]].permute(1, 2, 0))
        (tensor([[0, 1]]), tensor([[-1., -0.]]))
    """
    labels = torch.empty(maps[0].size, dtype=torch.int64, device=maps[0].device)
    best = torch.empty(maps[0].size, device=maps[0].device)
    with full_precision(labels):
        for box in tiles(maps):
            best[box], labels[box] = best_class(read(box))
    return labels, best


def tiles(maps: Sequence[Scores]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles of an image, of the size that suits its device.

    Args:
        maps: Score maps of one image.
    """
    height, width = maps[0].size
    side = _tile_side(maps[0].device, maps[0].num_classes)
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield (slice(top, min(top + side, height)), slice(left, min(left + side, width)))


def _bounds(box: tuple[slice, slice]) -> tuple[int, int, int, int]:
    return box[0].start, box[0].stop, box[1].start, box[1].stop


def mean_probability(maps: Sequence[Scores], box: tuple[slice, slice],
                     probabilities: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean probabilities of one tile over several score maps.

    Args:
        maps: Score maps of one image.
        box: Rows and columns of the tile.
        probabilities: Probabilities (h, w, C) of scores (h, w, K).

    Returns:
        (h, w, C).

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> maps = [HeldScores(torch.tensor([[[share]], [[1 - share]]])) for share in (0.0, 0.5)]
        >>> mean_probability(maps, (slice(0, 1), slice(0, 1)), lambda scores: scores)
        tensor([[[0.2500, 0.7500]]])
    """
    total = probabilities(maps[0].tile(*_bounds(box)))
    for other in maps[1:]:
        total = total + probabilities(other.tile(*_bounds(box)))
    return total / len(maps)


def label_map(maps: Sequence[Scores],
              probabilities: Callable[[Tensor], Tensor] = class_softmax) -> Tensor:
    """Best class of every pixel, see :func:`best_classes`.

    Args:
        maps: Score maps of one image.
        probabilities: As there.

    Returns:
        Class ids, (H, W) int64.

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import ScoreMap, compose_resize
        >>> axis = compose_resize(2, 2, 0, 2, 2, 2)
        >>> scores = torch.tensor([[[0.1, 0.9], [0.2, 0.8]], [[0.3, 0.4], [0.5, 0.6]]])
        >>> label_map([ScoreMap([scores], [axis], [axis])])
        tensor([[1, 0],
                [1, 0]])
    """
    return best_classes(maps, probabilities)[0]


def probability_map(maps: Sequence[Scores],
                    probabilities: Callable[[Tensor], Tensor] = class_softmax) -> Tensor:
    """Mean class probabilities of every pixel; all of them are held.

    Args:
        maps: Score maps of one image.
        probabilities: As in :func:`best_classes`.

    Returns:
        (K, H, W) float32.

    Example:
        Logits of log 1 against log 3, at one pixel:

        >>> import torch
        >>> from mmseg_maskclip.ops import ScoreMap, compose_resize
        >>> axis = compose_resize(1, 1, 0, 1, 1, 1)
        >>> scores = torch.tensor([1.0, 3.0]).log().view(2, 1, 1)
        >>> probability_map([ScoreMap([scores], [axis], [axis])]).flatten()
        tensor([0.2500, 0.7500])
    """
    found: Tensor | None = None
    with full_precision(torch.empty(0, device=maps[0].device)):
        for box in tiles(maps):
            part = mean_probability(maps, box, probabilities).permute(2, 0, 1)
            if found is None:
                # They may be fewer than the scores: classes of several queries each.
                found = part.new_empty(len(part), *maps[0].size)
            found[:, box[0], box[1]] = part
    return cast(Tensor, found)


def shrink(maps: Sequence[Scores], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean scores of some maps, averaged over areas to a smaller size, tile by tile.

    Args:
        maps: Score maps of one image.
        size: (h, w) wanted; on an axis longer than that of the maps, scores are repeated.

    Returns:
        Scores (K, h, w), and the highest score of every class at full size, (K,).

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> shrink([HeldScores(torch.arange(6.0).view(1, 2, 3))], (1, 2))
        (tensor([[[1.8333, 3.1667]]]), tensor([5.]))
    """
    device = maps[0].device
    weights = [area_weights(*sizes) for sizes in zip(maps[0].size, size)]
    down, across = (part.to(device) for part in weights)
    small = torch.zeros(*size, maps[0].num_classes, device=device)
    highest = torch.full((maps[0].num_classes,), -math.inf, device=device)
    with full_precision(small):
        for box in tiles(maps):
            values = mean_probability(maps, box, lambda scores: scores)
            highest = torch.maximum(highest, values.flatten(0, 1).amax(0))
            rows, columns = down[:, box[0]], across[:, box[1]]
            # Only what the tile reaches; asked of the CPU, which would wait for a GPU.
            top, left = (part[:, place].any(1).nonzero().flatten()
                         for part, place in zip(weights, box))
            part = torch.einsum('ar,rck,bc->abk', rows[top], values, columns[left])
            small[top[0]:top[-1] + 1, left[0]:left[-1] + 1] += part
    return small.permute(2, 0, 1), highest
