"""What read-outs know of the patches of a grid: distance, outliers, similarity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision


def gaussian_bias(grid: tuple[int, int], sigma: float) -> Tensor:
    """Gaussian of the distance of every pair of patches (NACLIP, Sec. 3.2).

    exp(-(dy^2 + dx^2) / (2 sigma^2)), the Kronecker product of one matrix per axis.

    Args:
        grid: (h, w).
        sigma: In patches.

    Returns:
        (h * w, h * w), 1 on the diagonal.

    Example:
        >>> gaussian_bias((1, 3), sigma=1.0)[0].round(decimals=4)
        tensor([1.0000, 0.6065, 0.1353])
    """
    axes = []
    for size in grid:
        place = torch.arange(size, dtype=torch.float32)
        axes.append((-(place[:, None] - place) ** 2 / (2 * sigma ** 2)).exp())
    rows, columns = axes
    # As torch.kron, which would fix the size of an exported graph.
    return (rows[:, None, :, None] * columns[:, None]).flatten(2).flatten(0, 1)


def local_outliers(patches: Tensor, neighbours: int = 30, quantile: float = 0.95) -> Tensor:
    """Patches that are far from others, compared with how far these are (SC-CLIP, Sec. 3.2).

    The score is a local outlier factor: the squared distance to the last of the nearest
    patches, times the mean of its reciprocal over them.

    Args:
        patches: (B, N, C).
        neighbours: How many nearest patches count; fewer than N.
        quantile: Scores above this quantile of an image's are outliers.

    Returns:
        (B, N) bool.

    Example:
        Five patches in a row, the last one far from the rest:

        >>> import torch
        >>> places = torch.tensor([0.0, 1.0, 2.0, 3.0, 9.0]).view(1, 5, 1)
        >>> local_outliers(places, neighbours=2)
        tensor([[False, False, False, False,  True]])
    """
    reach, nearest = _nearest(patches, neighbours)
    density = (1 / reach.clamp(min=torch.finfo(reach.dtype).tiny)).gather(
        1, nearest.flatten(1)).view_as(nearest).mean(dim=2)
    score = reach * density
    return score > score.quantile(quantile, dim=1, keepdim=True)


def _nearest(patches: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Squared distance (B, N) to the last of the nearest patches, and which they are."""
    # A matrix product is a tenth of the work of differences; it cancels digits that tell near
    # patches apart, of which double precision has enough.
    exact = patches.double()
    squares = exact.square().sum(dim=2, keepdim=True)
    distance = torch.baddbmm(squares + squares.transpose(1, 2), exact, exact.transpose(1, 2),
                             alpha=-2).clamp_(min=0).to(patches.dtype)
    distance.diagonal(dim1=1, dim2=2).fill_(float('inf'))
    found = distance.topk(count, dim=2, largest=False)
    return found.values[..., -1], found.indices


def replace_outliers(patches: Tensor, outliers: Tensor, grid: tuple[int, int]) -> Tensor:
    """Outliers replaced by the mean of those of their 8 neighbours that are none.

    An outlier without such a neighbour stays (SC-CLIP, Sec. 3.2).

    Args:
        patches: (B, N, C).
        outliers: (B, N) bool.
        grid: (h, w), N = h * w.

    Returns:
        (B, N, C).

    Example:
        >>> import torch
        >>> patches = torch.tensor([1.0, 9.0, 3.0]).view(1, 3, 1)
        >>> replace_outliers(patches, torch.tensor([[False, True, False]]), (1, 3)).flatten()
        tensor([1., 2., 3.])
    """
    good = (~outliers).to(patches)[..., None]

    def around(x: Tensor) -> Tensor:
        # Of three rows, then of three columns: an outlier in the middle adds nothing.
        x = F.pad(x.unflatten(1, grid), (0, 0, 1, 1, 1, 1))
        x = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
        return (x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]).flatten(1, 2)

    total, count = around(patches * good), around(good)
    replaced = outliers[..., None] & (count > 0)
    return torch.where(replaced, total / count.clamp(min=1), patches)


def aggregate(similarity: Tensor, patches: Tensor, threshold: float) -> Tensor:
    """Mean over similar patches, weighted by their similarity (SC-CLIP, Sec. 3.3).

    Args:
        similarity: (B, N, N).
        patches: (B, N, C).
        threshold: Smaller similarities count as 0.

    Returns:
        (B, N, C).

    Example:
        The second patch is half as similar to the first as that is to itself:

        >>> import torch
        >>> similarity = torch.tensor([[[1.0, 0.5], [0.1, 1.0]]])
        >>> aggregate(similarity, torch.tensor([[[0.0], [3.0]]]), 0.4).flatten().round(decimals=3)
        tensor([1., 3.])
    """
    weights = similarity.masked_fill(similarity < threshold, 0)
    # Autocast would compute the product in half precision.
    with full_precision(patches):
        return weights @ patches / (weights.sum(dim=2, keepdim=True) + 1e-6)


def similarity_attention(similarity: Tensor, scale: float = 3.0) -> Tensor:
    """Attention over the patches that are more similar than the mean pair (SC-CLIP, Sec. 3.3).

    Args:
        similarity: (B, N, N), each patch at least as similar to itself as the mean.
        scale: Factor of the logits.

    Returns:
        (B, N, N), rows of sum 1.

    Example:
        >>> import torch
        >>> similarity_attention(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
        tensor([[[1., 0.],
                 [0., 1.]]])
    """
    logits = scale * (similarity - similarity.mean(dim=(1, 2), keepdim=True))
    return logits.masked_fill(logits < 0, float('-inf')).softmax(dim=2)
