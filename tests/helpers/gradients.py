"""Gradient norms against recorded ones, where they are well-conditioned."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

TOLERANCE, MEDIAN = 0.1, 0.01
CHANGE, CHANGES = 1e-6, 3
# Measured 0.89 to 0.98 over the recorded steps of MaskCLIP+, images changed a little or not.
COMPARED = 0.8


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """L2 norm of every parameter's gradient."""
    return {key: value.grad.norm().item() for key, value in model.named_parameters()
            if value.grad is not None}


def assert_gradients(step: Callable[[Tensor], dict[str, float]], image: Tensor,
                     recorded: dict[str, float]) -> None:
    """One step's gradient norms equal the recorded ones.

    A tiny random network on a small image is full of kinks: rounding, which differs from CPU to
    CPU, takes some activation across the corner of its ReLU, and the gradients before it jump,
    some by half. So a gradient is compared on its own only if changing the image by 1e-6 moves
    it by less than half of the tolerance; a tighter bound holds for the median of all.

    Args:
        step: Gradient norms of a training step on an image (B, 3, H, W).
        image: The recorded image.
        recorded: The recorded norms, by parameter.
    """
    found = step(image)
    assert found.keys() == recorded.keys()
    # A gradient that is zero in theory, as that of a scale before a normalisation, is rounding.
    floor = 1e-6 * max(recorded.values())

    def distance(norm: float, other: float) -> float:
        return max(abs(norm - other) - floor, 0) / max(other, floor)

    changed = [step(image * (1 + CHANGE * _noise(image, seed))) for seed in range(CHANGES)]
    steady = [key for key, norm in found.items()
              if max(distance(norms[key], norm) for norms in changed) < TOLERANCE / 2]
    assert len(steady) >= COMPARED * len(recorded), f'{len(steady)} of {len(recorded)}'
    off = {key: distance(found[key], norm) for key, norm in recorded.items()}
    assert {key: off[key] for key in steady if off[key] > TOLERANCE} == {}
    assert median(off.values()) < MEDIAN


def _noise(image: Tensor, seed: int) -> Tensor:
    return torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
