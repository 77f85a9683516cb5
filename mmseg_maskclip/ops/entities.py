"""Which patches belong to one thing, by their labels (ResCLIP, Sec. 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LONGEST_KERNEL = 31


def patch_labels(labels: Tensor, patch_size: int, count: int) -> Tensor:
    """The most frequent label of each patch; of equally frequent ones the smallest.

    Args:
        labels: (h * patch_size, w * patch_size) int64, below ``count``.
        patch_size: Side of a patch.
        count: Number of labels there are.

    Returns:
        (h, w) int64.

    Example:
        >>> import torch
        >>> patch_labels(torch.tensor([[0, 2, 1, 1], [2, 2, 0, 0]]), 2, count=3)
        tensor([[2, 0]])
    """
    height, width = (size // patch_size for size in labels.shape)
    pixels = labels.view(height, patch_size, width, patch_size).transpose(1, 2).flatten(2)
    votes = torch.zeros(height, width, count, dtype=torch.int64, device=labels.device)
    votes.scatter_add_(2, pixels, torch.ones_like(pixels))
    # An arg-max promises nothing about ties.
    order = torch.arange(count, 0, -1, device=labels.device) - 1
    return (votes * count + order).argmax(dim=2)


def entity_matrix(labels: Tensor, sigma: float = 5.0, same_entity: bool = True) -> Tensor:
    """Which patches belong together: of one label, and not beyond patches of another one.

    A pair of one label has weight 1. Where a patch of another label lies between the two it
    is multiplied by exp(-D / M), D their Chebyshev distance, M the longer side of the grid less
    one. The walk from one to the other has steps of 1 / M of the way and ends after D of them,
    short of the goal, as published; hence the matrix is not symmetric. Then each row is smoothed
    by a Gaussian along the flattened index of its columns, divided by its sum, and all by the
    largest entry.

    Args:
        labels: (h, w) int64.
        sigma: Of the Gaussian, in patches.
        same_entity: Whether to look at what lies between two patches.

    Returns:
        (h * w, h * w) float32 in [0, 1].

    Example:
        >>> import torch
        >>> entity_matrix(torch.tensor([[1, 1]]))
        tensor([[1., 1.],
                [1., 1.]])
    """
    flat = labels.flatten()
    weights = (flat[:, None] == flat).float()
    if same_entity:
        weights = weights * _path_weights(labels)
    size = len(flat)
    length = min(size, _LONGEST_KERNEL)
    length += 1 - length % 2
    place = torch.arange(length, dtype=torch.float32, device=labels.device) - length // 2
    kernel = (-place ** 2 / (2 * sigma ** 2)).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    smooth = F.conv1d(weights[:, None], kernel, padding=length // 2)[:, 0]
    smooth = smooth / (smooth.sum(dim=1, keepdim=True) + 1e-8)
    return smooth / smooth.max()


def _path_weights(labels: Tensor) -> Tensor:
    """exp(-D / M) for pairs of patches with another label on the way, else 1."""
    longest = max(*labels.shape, 2) - 1
    # Pairs are (row, row of the other, column, column of the other): rows and columns go their
    # ways independently, so that a way is found once per axis and not once per pair.
    (down, rows), (right, columns) = (_walk(size, longest, labels.device) for size in labels.shape)
    distance = torch.maximum(down[:, :, None, None], right)
    labels = labels.int()
    own = labels[:, None, :, None]
    crossed = torch.zeros_like(distance, dtype=torch.bool)
    for count in range(longest + 1):
        found = labels[rows[count]].index_select(2, columns[count].flatten()).view_as(crossed)
        crossed |= (distance >= count) & (found != own)
    weights = torch.where(crossed, (-distance / longest).exp(), 1.0)
    return weights.transpose(1, 2).reshape(labels.numel(), labels.numel())


def _walk(size: int, longest: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """From each place of an axis to each: the distance, (size, size), and the place at each step,
    (longest + 1, size, size)."""
    place = torch.arange(size, device=device)
    share = torch.linspace(0, 1, longest + 1, device=device)[:, None, None]
    # In this order: where a point is half-way between two patches, the rounding of single
    # precision decides in the official code, too.
    at = place[:, None].float() * (1 - share) + place.float() * share
    return (place - place[:, None]).abs(), at.round().long()
