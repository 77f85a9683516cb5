"""Pixel-adaptive mask refinement: scores follow the edges of the picture (PAMR, Sec. 3.2)."""

from __future__ import annotations

from itertools import product
from typing import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision

CHUNK_BYTES_CPU = 4 << 20
"""Scores that are refined at a time on a CPU; larger chunks leave a core's cache."""
CHUNK_BYTES_GPU = 24 << 20
"""The same on an accelerator; what is needed beside the scores grows with it."""

_EPS = 1e-8
_SIGMA_SHARE = 0.1


def _neighbours(dilations: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Offsets (rows, columns) of the eight neighbours at each distance."""
    for distance in dilations:
        for down, right in product((-distance, 0, distance), repeat=2):
            if down or right:
                yield down, right


def _shifted(padded: Tensor, margin: int, offset: tuple[int, int]) -> Tensor:
    """A view of (..., H + 2 margin, W + 2 margin): what lies at an offset from each pixel."""
    height, width = padded.shape[-2] - 2 * margin, padded.shape[-1] - 2 * margin
    top, left = margin + offset[0], margin + offset[1]
    return padded[..., top:top + height, left:left + width]


def pamr_affinity(picture: Tensor, dilations: Sequence[int]) -> Tensor:
    """How much each pixel resembles its neighbours, a distribution over them.

    a_n = softmax over n of the mean over channels of
    -abs(x - x_n) / (1e-8 + 0.1 sigma), with sigma the unbiased standard
    deviation of the pixel's neighbourhood, the pixel itself counted once per
    dilation. What lies outside the picture repeats its border.

    Args:
        picture: (C, H, W), any statistics.
        dilations: Distances of the eight neighbours, N / 8 of them.

    Returns:
        (N, H, W) float32, of sum 1 over N.

    Example:
        In a flat picture all eight neighbours count alike:

        >>> import torch
        >>> pamr_affinity(torch.zeros(3, 1, 2), dilations=[1])[:, 0, 0]
        tensor([0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250])
    """
    margin = max(dilations)
    with full_precision(picture):
        picture = picture.float()
        padded = F.pad(picture[None], (margin,) * 4, mode='replicate')[0]
        # Deviations from the pixel itself: sums of squares of the values would cancel where the
        # picture is nearly flat.
        total, squares = torch.zeros_like(picture), torch.zeros_like(picture)
        offsets = list(_neighbours(dilations))
        for offset in offsets:
            deviation = _shifted(padded, margin, offset) - picture
            total += deviation
            squares.addcmul_(deviation, deviation)
        count = 9 * len(dilations)
        variance = squares.addcmul_(total, total, value=-1 / count).div_(count - 1)
        # mean(-abs(d) / s) = sum(abs(d) * rate)
        rate = variance.sqrt_().mul_(_SIGMA_SHARE).add_(_EPS)
        rate = rate.reciprocal_().div_(-len(picture))
        affinity = picture.new_empty(len(offsets), *picture.shape[1:])
        for index, offset in enumerate(offsets):
            deviation = torch.sub(_shifted(padded, margin, offset), picture, out=total).abs_()
            torch.sum(deviation.mul_(rate), dim=0, out=affinity[index])
        affinity.sub_(affinity.amax(dim=0)).exp_()
        return affinity.div_(affinity.sum(dim=0))


def pamr(scores: Tensor, picture: Tensor, iterations: int = 10,
         dilations: Sequence[int] = (8, 16), chunk_bytes: int | None = None) -> Tensor:
    """Refine score maps by the picture they belong to (PAMR, Sec. 3.2), in place.

    Every iteration replaces a score by the mean over the neighbours, weighted
    by :func:`pamr_affinity`. It is computed neighbour by neighbour and a chunk
    of maps at a time: the official code holds one map per neighbour and query.

    Args:
        scores: (Q, H, W) float32, overwritten.
        picture: (C, H, W), of the same size.
        iterations: How often.
        dilations: Distances of the eight neighbours.
        chunk_bytes: Scores refined at a time, which does not change the result; None
            goes by the device.

    Returns:
        The scores.

    Raises:
        ValueError: If picture and scores differ in size, or the scores are not
            in single precision.

    Example:
        Of the eight neighbours of the second pixel three lie to the right, beyond an edge,
        and do not count; above and below a picture of one row its border is repeated:

        >>> import torch
        >>> picture = torch.tensor([0.0, 0.0, 9.0, 9.0]).expand(3, 1, 4)
        >>> scores = torch.tensor([[[0.0, 2.0, 4.0, 8.0]]])
        >>> pamr(scores, picture, iterations=1, dilations=[1])
        tensor([[[0.7500, 0.8000, 6.4000, 6.5000]]])
    """
    if scores.shape[1:] != picture.shape[1:] or scores.dtype != torch.float32:
        raise ValueError(f'expected float32 scores of the size of the picture '
                         f'{tuple(picture.shape[1:])}, got {scores.dtype} of '
                         f'{tuple(scores.shape[1:])}')
    affinity = pamr_affinity(picture, dilations)
    offsets, margin = list(_neighbours(dilations)), max(dilations)
    if chunk_bytes is None:
        chunk_bytes = CHUNK_BYTES_CPU if scores.device.type == 'cpu' else CHUNK_BYTES_GPU
    size = max(1, chunk_bytes // (4 * scores[0].numel()))
    with full_precision(scores):
        for chunk in scores.split(size):
            for _ in range(iterations):
                padded = F.pad(chunk[None], (margin,) * 4, mode='replicate')[0]
                for index, offset in enumerate(offsets):
                    near = _shifted(padded, margin, offset)
                    if index == 0:
                        torch.mul(near, affinity[index], out=chunk)
                    else:
                        chunk.addcmul_(near, affinity[index])
    return scores
