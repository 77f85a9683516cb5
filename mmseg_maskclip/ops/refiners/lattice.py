"""Gaussian filtering of points in a few dimensions (permutohedral lattice, Adams et al., 2010)."""

from __future__ import annotations

import torch
from torch import Tensor

_MOST_CODES = 1 << 62


class PermutohedralLattice:
    """Sums over points, weighted by about exp(-d^2 / 2) of their distances.

    Each point is split among the d + 1 corners of the simplex it lies in, the corners are
    blurred along d + 1 axes, and each point is read back from its corners (Sec. 3). The time is
    linear in the number of points.

    Args:
        features: Where the points are, in standard deviations, (N, d).

    Raises:
        ValueError: If they are too far apart for their corners to be numbered.

    Example:
        Two points in one place share their values, a third is far from them:

        >>> import torch
        >>> lattice = PermutohedralLattice(torch.tensor([[0.0], [0.0], [9.0]]))
        >>> ones, values = torch.ones(3, 1), torch.tensor([[1.0], [3.0], [5.0]])
        >>> (lattice(values) / lattice(ones)).flatten()
        tensor([2., 2., 5.])
    """

    def __init__(self, features: Tensor) -> None:
        base, rank, self._shares = _simplices(features)
        corners = _corners(base, rank)
        numbers, axes = _numbering(corners)
        codes, self._corner = torch.unique((corners * numbers).sum(dim=-1), return_inverse=True)
        self._count = len(codes)
        self._neighbours = [(_find(codes, codes + step), _find(codes, codes - step))
                            for step in (axes * numbers).sum(dim=-1).tolist()]

    def __call__(self, values: Tensor) -> Tensor:
        """Filter.

        Args:
            values: Of each point, (N, C).

        Returns:
            (N, C), up to a common factor.
        """
        # The last row stays 0: it stands for corners that no point has.
        grid = values.new_zeros(self._count + 1, values.shape[1])
        parts = list(zip(self._corner.unbind(1), self._shares.unbind(1)))
        for corner, share in parts:
            grid.index_add_(0, corner, share[:, None] * values)
        for after, before in self._neighbours:
            blurred = grid[after] + grid[before]
            grid[:-1] += blurred.mul_(0.5)
        read = torch.zeros_like(values)
        for corner, share in parts:
            read.addcmul_(share[:, None], grid[corner])
        return read


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The simplex of each point: its lattice point of remainder 0, (N, d + 1), the rank of each
    axis in it, and the shares of its corners, (N, d + 1)."""
    count, dims = features.shape
    index = torch.arange(dims, device=features.device)
    # Blurring has the variance of a Gaussian of standard deviation 1 then.
    scaled = features * ((dims + 1) * (2 / 3) ** 0.5 / ((index + 1) * (index + 2)).sqrt())
    rest = scaled.flip(1).cumsum(dim=1).flip(1)
    elevated = torch.cat([rest[:, :1], torch.cat(
        [rest[:, 1:], rest.new_zeros(count, 1)], dim=1) - scaled * (index + 1)], dim=1)
    base = (elevated / (dims + 1)).round().long()
    excess = base.sum(dim=1, keepdim=True)
    base = base * (dims + 1)
    order = (elevated - base).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(dims + 1, device=features.device).expand_as(order)) + excess
    # Rounding left the plane of sum 0: the axes that were rounded most are rounded the other way.
    shift = (rank < 0).long() - (rank > dims).long()
    base, rank = base + shift * (dims + 1), rank + shift * (dims + 1)
    along = (elevated - base) / (dims + 1)
    shares = along.new_zeros(count, dims + 2)
    shares.scatter_add_(1, dims - rank, along).scatter_add_(1, dims + 1 - rank, -along)
    shares[:, 0] += 1 + shares[:, -1]
    return base, rank, shares[:, :-1]


def _corners(base: Tensor, rank: Tensor) -> Tensor:
    """First d coordinates of the corners of each simplex, (N, d + 1, d)."""
    dims = base.shape[1] - 1
    remainder = torch.arange(dims + 1, device=base.device)[:, None]
    offset = torch.where(rank[:, None, :-1] <= dims - remainder, remainder, remainder - dims - 1)
    return base[:, None, :-1] + offset


def _numbering(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Factors that number lattice points by one integer, (d,), and the steps of d + 1 axes."""
    dims = corners.shape[-1]
    flat = corners.flatten(0, 1)
    # A step changes a coordinate by up to d: neighbours get numbers of their own.
    spans = (flat.amax(dim=0) - flat.amin(dim=0) + 2 * dims + 1).tolist()
    factors, product = [], 1
    for span in spans:
        factors.append(product)
        product *= span
    if product > _MOST_CODES:
        raise ValueError('the points are too many standard deviations apart: expected larger '
                         'standard deviations')
    steps = torch.full((dims + 1, dims), -1, device=corners.device)
    steps[:dims] += (dims + 1) * torch.eye(dims, dtype=torch.long, device=corners.device)
    return torch.tensor(factors, device=corners.device), steps


def _find(codes: Tensor, wanted: Tensor) -> Tensor:
    """Places of numbers among sorted ones; their count where they are not there."""
    place = torch.searchsorted(codes, wanted).clamp_(max=len(codes) - 1)
    return torch.where(codes[place] == wanted, place, len(codes))
