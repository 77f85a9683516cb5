"""Focal and dice loss of one mask a class: ZegCLIP's non-mutually exclusive loss."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class MaskLosses(NamedTuple):
    """The two losses, neither weighted.

    Attributes:
        focal: Mean over the pixels, summed over all (image, class) pairs, per present pair.
        dice: Mean over the present pairs.
    """

    focal: Tensor
    dice: Tensor


def focal_dice(logits: Tensor, labels: Tensor, ignore_index: int = 255,
               leave_out: bool = False, alpha: float = 0.25, gamma: float = 2.0,
               average: Callable[[Tensor], Tensor] | None = None) -> MaskLosses:
    """Sigmoid focal loss (arXiv 1708.02002) and dice loss of class masks (ZegCLIP,
    arXiv 2212.03588, non-mutually exclusive loss).

    Every class is a binary problem of its own. The focal loss is over all classes, the dice
    loss over those that an image shows; both are divided by N, the number of (image, class)
    pairs present in the batch, at least 1.

    Targets are never made: a pixel is a positive of one class, so its share as a negative of
    that class is exchanged for the one as a positive.

    Args:
        logits: One mask a class, (B, K, H, W).
        labels: Class ids, (B, H, W) int64; ``ignore_index`` is none of the classes.
        ignore_index: The id of pixels without a class.
        leave_out: Leave them out; else they are negatives of every class, as published.
        alpha: Weight of positives in the focal loss, 1 - alpha is that of negatives.
        gamma: Its exponent.
        average: Mean of N over the processes of a run; None where there is one.

    Returns:
        Both losses.

    Example:
        A pixel of class 0 that both classes are sure of, and right about:

        >>> import torch
        >>> logits = torch.tensor([20.0, -20.0]).view(1, 2, 1, 1)
        >>> losses = focal_dice(logits, torch.zeros(1, 1, 1, dtype=torch.int64))
        >>> losses.focal.item() < 1e-6, losses.dice.item() < 1e-6
        (True, True)
    """
    maps, ids = logits.float().flatten(2), labels.flatten(1)
    counted = ids != ignore_index
    index = ids.masked_fill(~counted, 0)
    kept = counted.to(maps) if leave_out else None
    negative, area, own = _MapSums.apply(maps, index, kept, gamma)
    pixels = maps.shape[2] if kept is None else kept.sum(dim=1).clamp(min=1)
    exchanged = (alpha * _focal(-own, gamma) - (1 - alpha) * _focal(own, gamma)) * counted
    focal = ((1 - alpha) * negative.sum(dim=1) + exchanged.sum(dim=1)) / pixels

    shown, probability = counted.to(maps), own.sigmoid() * counted
    sizes = torch.zeros_like(area).scatter_add(1, index, shown)
    shared = torch.zeros_like(area).scatter_add(1, index, probability)
    present = sizes > 0
    dice = 1 - (2 * shared + 1) / (area + sizes + 1)
    pairs = present.sum().to(maps)
    pairs = (pairs if average is None else average(pairs)).clamp(min=1)
    return MaskLosses(focal.sum() / pairs, (dice * present).sum() / pairs)


def _focal(logits: Tensor, gamma: float) -> Tensor:
    """Unweighted focal loss of negatives; of positives with the opposite sign."""
    return logits.sigmoid() ** gamma * F.softplus(logits)


class _MapSums(torch.autograd.Function):
    """Sums of each map, and each pixel's logit of its own class.

    One pass over the maps each way, which keeps nothing but the maps: autograd would hold
    several tensors of their size.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, index: Tensor, kept: Tensor | None,
                gamma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Focal sums and areas (B, K), own logits (B, N), of maps (B, K, N)."""
        negative, area = (maps.new_empty(maps.shape[:2]) for _ in range(2))
        # One image at a time: temporary tensors are as large as one image's maps.
        for number, one in enumerate(maps):
            probability = one.sigmoid()
            focal = F.softplus(one).mul_(probability ** gamma)
            if kept is not None:
                probability.mul_(kept[number])
                focal.mul_(kept[number])
            negative[number], area[number] = focal.sum(dim=1), probability.sum(dim=1)
        ctx.save_for_backward(maps, index, kept)
        ctx.gamma = gamma
        return negative, area, maps.gather(1, index[:, None])[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, negative: Tensor, area: Tensor,
                 own: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient of the maps."""
        maps, index, kept = ctx.saved_tensors
        found = torch.empty_like(maps)
        for number, one in enumerate(maps):
            probability = one.sigmoid()
            # d(p^g s)/dz = p^g (g (1 - p) s + p), dp/dz = p (1 - p), for s = softplus(z).
            rest = 1 - probability
            slope = F.softplus(one).mul_(rest).mul_(ctx.gamma).add_(probability)
            slope.mul_(probability ** ctx.gamma).mul_(negative[number, :, None])
            slope.addcmul_(probability.mul_(rest), area[number, :, None])
            if kept is not None:
                slope.mul_(kept[number])
            found[number] = slope.scatter_add_(0, index[None, number], own[None, number])
        return found, None, None, None
