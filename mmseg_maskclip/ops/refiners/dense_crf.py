"""Mean field of a fully connected CRF over pixels (Kraehenbuehl and Koltun, 2011)."""

from __future__ import annotations

from typing import Iterator, Sequence

import torch
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.ops.refiners.lattice import PermutohedralLattice

CHUNK_PAIRS = 1 << 22
"""Pairs of pixels whose kernel is held at a time."""

_BLOCK = 128
# exp(-30) of each of 2^18 pixels together is below the rounding of float32.
_FAR = 60.0
_TINY = 1e-20


def dense_crf(probabilities: Tensor, picture: Tensor, iterations: int = 10,
              position_weight: float = 3.0, position_std: float = 1.0,
              bilateral_weight: float = 4.0, bilateral_position_std: float = 67.0,
              bilateral_colour_std: float = 3.0, floor: float = 1e-5,
              exact: bool = False) -> Tensor:
    """Marginals of class maps whose labels agree where pixels are near, or near and alike.

    Q <- softmax(log p + w1 K1 Q + w2 K2 Q), from Q = p on. K1 is a Gaussian of the distance of
    two pixels, K2 one of distance and difference in colour (Eq. 3), the pixel itself included;
    both are normalised symmetrically, D^-1/2 K D^-1/2, as in pydensecrf.

    Kernels are those of a permutohedral lattice, as in the paper and in pydensecrf, whose time
    is linear in the number of pixels; or exact, which compares all pairs of pixels, a chunk at
    a time.

    Args:
        probabilities: p of each class, (K, H, W), of sum 1 over K.
        picture: Colours, 0..255, (3, H, W).
        iterations: How often Q is updated.
        position_weight: w1; 0 is off.
        position_std: Standard deviation of K1, in pixels.
        bilateral_weight: w2; 0 is off.
        bilateral_position_std: Standard deviation of K2, in pixels.
        bilateral_colour_std: Standard deviation of K2, in steps of 255.
        floor: Smaller probabilities count as this.
        exact: Whether the kernels are exact.

    Returns:
        (K, H, W) float32.

    Raises:
        ValueError: If picture and maps differ in size.

    Example:
        The middle of three equal pixels follows its neighbours:

        >>> import torch
        >>> maps = torch.tensor([[[0.9, 0.4, 0.9]], [[0.1, 0.6, 0.1]]])
        >>> dense_crf(maps, torch.zeros(3, 1, 3))[0].round(decimals=2)
        tensor([[1., 1., 1.]])
    """
    if probabilities.shape[1:] != picture.shape[1:]:
        raise ValueError(f'expected a picture of {tuple(probabilities.shape[1:])}, the size of '
                         f'the maps, got {tuple(picture.shape[1:])}')
    with full_precision(probabilities):
        maps = probabilities.float()
        kernels: list[tuple[float, _Kernel]] = []
        if position_weight:
            places = _places(maps, position_std)
            kernels.append((position_weight, _Distance(places) if exact else _Lattice(places)))
        if bilateral_weight:
            features = torch.cat([_places(maps, bilateral_position_std),
                                  picture.to(maps).permute(1, 2, 0) / bilateral_colour_std], -1)
            kernels.append((bilateral_weight, _AllPairs(features) if exact else
                            _Lattice(features)))
        return _mean_field(maps.clamp(min=floor).log(), kernels, iterations)


def _mean_field(logits: Tensor, kernels: Sequence[tuple[float, _Kernel]],
                iterations: int) -> Tensor:
    found = logits.softmax(dim=0)
    for _ in range(iterations):
        energy = logits.clone()
        for weight, kernel in kernels:
            energy += weight * kernel(found)
        found = energy.softmax(dim=0)
    return found


class _Kernel:
    """A symmetrically normalised kernel over the pixels of a picture."""

    def __init__(self, size: tuple[int, int], like: Tensor) -> None:
        self._scale: Tensor | None = None
        self._ones = like.new_ones(1, *size)

    def __call__(self, maps: Tensor) -> Tensor:
        """(K, H, W) to (K, H, W)."""
        if self._scale is None:
            self._scale = (self.apply(self._ones) + _TINY).rsqrt()
        return self._scale * self.apply(self._scale * maps)

    def apply(self, maps: Tensor) -> Tensor:
        """The same without normalisation."""
        raise NotImplementedError


class _Lattice(_Kernel):
    """exp(-d^2 / 2) of features, (H, W, F), by a permutohedral lattice."""

    def __init__(self, features: Tensor) -> None:
        super().__init__((features.shape[0], features.shape[1]), features)
        self._lattice = PermutohedralLattice(features.flatten(0, 1))

    def apply(self, maps: Tensor) -> Tensor:
        """See :meth:`_Kernel.apply`."""
        return self._lattice(maps.flatten(1).T).T.reshape_as(maps)


class _Distance(_Kernel):
    """exp(-d^2 / 2) of places, (H, W, 2), which is one factor a row and one a column."""

    def __init__(self, places: Tensor) -> None:
        super().__init__((places.shape[0], places.shape[1]), places)
        self._rows, self._columns = ((-(line[:, None] - line).square() / 2).exp()
                                     for line in (places[:, 0, 1], places[0, :, 0]))

    def apply(self, maps: Tensor) -> Tensor:
        """See :meth:`_Kernel.apply`."""
        return self._rows @ maps @ self._columns


class _AllPairs(_Kernel):
    """exp(-d^2 / 2) of features, (H, W, F), of every pair of pixels.

    Pixels are sorted by colour, and pairs of blocks whose kernel is below float32's rounding are
    left out.
    """

    def __init__(self, features: Tensor) -> None:
        super().__init__((features.shape[0], features.shape[1]), features)
        flat = features.flatten(0, 1)
        self._order = _colour_order(flat[:, 2:])
        self._features = flat[self._order]
        blocks = self._features.split(_BLOCK)
        self._low = torch.stack([block.amin(dim=0) for block in blocks])
        self._high = torch.stack([block.amax(dim=0) for block in blocks])

    def apply(self, maps: Tensor) -> Tensor:
        """See :meth:`_Kernel.apply`."""
        values = maps.flatten(1).T[self._order]
        summed = torch.zeros_like(values)
        for number, rows in enumerate(self._features.split(_BLOCK)):
            centre = rows.mean(dim=0)
            start = number * _BLOCK
            for near in self._near(number):
                weights = _gaussian(rows - centre, self._features[near] - centre)
                summed[start:start + len(rows)] += weights @ values[near]
        found = torch.empty_like(summed)
        found[self._order] = summed
        return found.T.reshape_as(maps)

    def _near(self, number: int) -> Iterator[Tensor]:
        """Pixels near enough to those of a block to count, in chunks."""
        gap = torch.maximum(self._low - self._high[number],
                            self._low[number] - self._high).clamp(min=0)
        blocks = (gap.square().sum(dim=1) < _FAR).nonzero().flatten()
        pixels = blocks[:, None] * _BLOCK + torch.arange(_BLOCK, device=blocks.device)
        pixels = pixels.flatten()
        # The last block may be short.
        return iter(pixels[pixels < len(self._features)].split(CHUNK_PAIRS // _BLOCK))


def _places(maps: Tensor, std: float) -> Tensor:
    """Column and row of each pixel of (K, H, W) in standard deviations, (H, W, 2)."""
    rows, columns = torch.meshgrid(*(torch.arange(side, device=maps.device) / std
                                     for side in maps.shape[1:]), indexing='ij')
    # A lattice treats its axes differently: this order is pydensecrf's.
    return torch.stack([columns, rows], dim=-1)


def _gaussian(rows: Tensor, columns: Tensor) -> Tensor:
    """exp(-d^2 / 2) of all pairs of (N, F) and (M, F), (N, M)."""
    # Shifted to a common centre before, so that the squares do not cancel.
    logits = rows @ columns.T
    logits -= rows.square().sum(dim=1, keepdim=True) / 2
    logits -= columns.square().sum(dim=1) / 2
    return logits.clamp_(max=0).exp_()


def _colour_order(colours: Tensor) -> Tensor:
    """Pixels along a Z-curve through their colours, (N, 3): neighbours there are alike, (N,)."""
    low, high = colours.amin(dim=0), colours.amax(dim=0)
    levels = ((colours - low) / (high - low).clamp(min=_TINY) * 255).long()
    code = torch.zeros_like(levels[:, 0])
    for bit in range(8):
        for channel in range(3):
            code |= (levels[:, channel] >> bit & 1) << (3 * bit + channel)
    return code.argsort(stable=True)
