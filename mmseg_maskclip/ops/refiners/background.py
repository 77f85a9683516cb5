"""From scores of queries to classes and a background (SCLIP, Sec. 4.1, and its official code)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import torch
from torch import Tensor

from mmseg_maskclip.ops.label_maps import mean_probability, scan, tiles
from mmseg_maskclip.ops.score_maps import Scores
from mmseg_maskclip.ops.scores import best_class

Box = tuple[slice, slice]


@dataclass(frozen=True)
class BackgroundRule:
    """When a pixel falls to the background.

    Attributes:
        num_classes: C, classes that have probabilities.
        background: Id that such pixels get; C or more where it is none of the classes.
        spared: Classes that are not counted as foreground, nor removed for being small.
        prob_thd: Pixels whose best probability is below it fall to the background.
        area_thd: Classes whose share of the foreground does not exceed it are removed.

    Example:
        Classes 0 to 2, class 0 being the background:

        >>> BackgroundRule(3, background=0, spared=(0,), prob_thd=0.1).area_thd
        0.0
    """

    num_classes: int
    background: int
    spared: tuple[int, ...] = ()
    prob_thd: float = 0.0
    area_thd: float = 0.0


def small_classes(labels: Tensor, rule: BackgroundRule) -> Tensor:
    """Classes with too small a share of the foreground of an image.

    Args:
        labels: (H, W) int64, ids 0 to C - 1.
        rule: Has ``area_thd``.

    Returns:
        (C,) bool.

    Example:
        Of four foreground pixels class 1 has one, class 0 is the background:

        >>> import torch
        >>> rule = BackgroundRule(3, 0, spared=(0,), area_thd=0.25)
        >>> small_classes(torch.tensor([[0, 0, 1, 2, 2, 2]]), rule)
        tensor([False,  True, False])
    """
    flat = labels.flatten()
    # Not bincount, which makes a CPU wait for its GPU.
    counts = torch.zeros(rule.num_classes, dtype=torch.int64, device=labels.device)
    counts.scatter_add_(0, flat, torch.ones_like(flat))
    foreground = counts.sum()
    for index in rule.spared:
        foreground = foreground - counts[index]
    small = counts <= rule.area_thd * foreground
    for index in rule.spared:
        small[index] = False
    return small


def background_labels(maps: Sequence[Scores], probabilities: Callable[[Tensor], Tensor],
                      rule: BackgroundRule) -> tuple[Tensor, Tensor, Tensor | None]:
    """Best class of every pixel by its mean probability, or the background.

    Classes with too small an area are removed first, then pixels without a
    probable class fall to the background. Probabilities are read tile by
    tile, where an area counts a second time.

    Args:
        maps: Score maps of one image.
        probabilities: Class probabilities (h, w, C) of a tile (h, w, Q).
        rule: The background and its thresholds.

    Returns:
        Class ids (H, W) int64, their probabilities (H, W), and the removed
        classes (C,) or None.

    Example:
        The speck of class 1 is removed; the first pixel is unsure, the third just sure enough:

        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> values = torch.tensor([[.1, .5, .3, .9], [.1, .1, .6, .0], [.1, .4, .1, .1]])
        >>> rule = BackgroundRule(3, 3, prob_thd=0.3, area_thd=0.25)
        >>> background_labels([HeldScores(values[:, None])], lambda tile: tile, rule)[0]
        tensor([[3, 0, 0, 0]])
    """
    def read(box: Box) -> Tensor:
        return mean_probability(maps, box, probabilities)

    labels, best = scan(maps, read)
    removed = None
    if rule.area_thd > 0:
        removed = small_classes(labels, rule)
        for box in tiles(maps):
            # Only asked where the answer is at hand: on a GPU it would be waited for.
            if labels.device.type != 'cpu' or removed[labels[box]].any():
                best[box], labels[box] = best_class(read(box).masked_fill(removed, 0))
    if rule.area_thd > 0 or rule.prob_thd > 0:
        # Where all classes are removed the best probability is 0.
        unsure = (best < rule.prob_thd) | (best <= 0)
        labels.masked_fill_(unsure, rule.background)
    return labels, best, removed


def background_probabilities(maps: Sequence[Scores], probabilities: Callable[[Tensor], Tensor],
                             rule: BackgroundRule, num_classes: int) -> Tensor:
    """The probabilities whose arg-max is :func:`background_labels`; all of them are held.

    Removed classes have 0. Where the background has taken a pixel, it has the
    best probability of that pixel and the others have 0; where it is none of
    the classes, all have 0.

    Args:
        maps: Score maps of one image.
        probabilities: As there.
        rule: As there.
        num_classes: K, the first K of the C classes are returned.

    Returns:
        (K, H, W) float32.

    Example:
        >>> import torch
        >>> from mmseg_maskclip.ops import HeldScores
        >>> maps = [HeldScores(torch.tensor([[[.3, .1]], [[.5, .2]]]))]
        >>> rule = BackgroundRule(2, 0, spared=(0,), prob_thd=0.4)
        >>> background_probabilities(maps, lambda tile: tile, rule, num_classes=2)[:, 0]
        tensor([[0.3000, 0.2000],
                [0.5000, 0.0000]])
    """
    labels, best, removed = background_labels(maps, probabilities, rule)
    found = torch.empty(num_classes, *labels.shape, device=labels.device)
    for box in tiles(maps):
        part = mean_probability(maps, box, probabilities)
        if removed is not None:
            part = part.masked_fill(removed, 0)
        taken = labels[box] == rule.background
        if rule.background < num_classes:
            taken &= part[..., rule.background] < part.amax(dim=2)
        part = part[..., :num_classes].masked_fill(taken[..., None], 0)
        if rule.background < num_classes:
            part[..., rule.background] += best[box] * taken
        found[:, box[0], box[1]] = part.permute(2, 0, 1)
    return found
