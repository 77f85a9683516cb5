"""The fully connected CRF against pydensecrf's recorded output, and against all pairs by hand."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_maskclip.ops import dense_crf
from mmseg_maskclip.ops.refiners.lattice import PermutohedralLattice

from helpers.cases import cases

# Made by pydensecrf2 1.1: marginals after 10 and after 4 iterations, the picture of 12 x 16 in
# noisy blocks of 4 x 4.
RECORDED = dict(np.load(Path(__file__).parent / 'pydensecrf.npz'))
SETTINGS = {'defaults': {}, 'others': dict(
    iterations=4, position_std=2.5, position_weight=2, bilateral_position_std=8,
    bilateral_colour_std=20, bilateral_weight=5)}
DEFAULTS = dict(iterations=10, position_std=1, position_weight=3, bilateral_position_std=67,
                bilateral_colour_std=3, bilateral_weight=4)


def _inputs():
    picture = torch.from_numpy(RECORDED['picture']).permute(2, 0, 1).float()
    return torch.from_numpy(RECORDED['probabilities']), picture


def _brute_force(maps, picture, iterations, position_std, position_weight,
                 bilateral_position_std, bilateral_colour_std, bilateral_weight):
    """Mean field pixel by pixel, in Python's own numbers."""
    height, width = maps.shape[1:]
    pixels = [(row, column) for row in range(height) for column in range(width)]
    both = []
    for weight, place, colour in ((position_weight, position_std, None),
                                  (bilateral_weight, bilateral_position_std,
                                   bilateral_colour_std)):
        kernel = [[_similarity(one, other, picture, place, colour) for other in pixels]
                  for one in pixels]
        scale = [1 / math.sqrt(sum(row)) for row in kernel]
        both.append([[weight * value * scale[i] * scale[j] for j, value in enumerate(row)]
                     for i, row in enumerate(kernel)])
    energy = [[math.log(max(float(maps[(k, *pixel)]), 1e-5)) for k in range(len(maps))]
              for pixel in pixels]
    found = [_softmax(row) for row in energy]
    for _ in range(iterations):
        found = [_softmax([
            energy[i][k] + sum(kernel[i][j] * found[j][k] for kernel in both
                               for j in range(len(pixels)))
            for k in range(len(maps))]) for i in range(len(pixels))]
    return torch.tensor(found).T.reshape(maps.shape)


def _similarity(one, other, picture, place, colour):
    squared = sum((a - b) ** 2 for a, b in zip(one, other)) / place ** 2
    if colour is not None:
        squared += sum((float(picture[(c, *one)]) - float(picture[(c, *other)])) ** 2
                       for c in range(3)) / colour ** 2
    return math.exp(-squared / 2)


def _softmax(values):
    raised = [math.exp(value - max(values)) for value in values]
    return [value / sum(raised) for value in raised]


@cases('case', SETTINGS)
def test_equals_pydensecrf(case):
    maps, picture = _inputs()
    found = dense_crf(maps, picture, **SETTINGS[case])
    # Ten iterations that feed on each other enlarge the rounding of float32.
    torch.testing.assert_close(found, torch.from_numpy(RECORDED[case]), rtol=0, atol=1e-3)


@cases('case', SETTINGS)
def test_exact_kernels_equal_a_brute_force_mean_field(case, monkeypatch):
    maps, picture = (part[:, ::2, ::3] for part in _inputs())
    # Several blocks, chunks and none that is far left out but for rounding.
    module = import_module('mmseg_maskclip.ops.refiners.dense_crf')
    monkeypatch.setattr(module, '_BLOCK', 2)
    monkeypatch.setattr(module, 'CHUNK_PAIRS', 16)
    found = dense_crf(maps, picture, exact=True, **SETTINGS[case])
    expected = _brute_force(maps, picture, **{**DEFAULTS, **SETTINGS[case]})
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_a_lattice_is_near_the_gaussian_it_stands_for():
    points = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) * 2
    lattice, values = PermutohedralLattice(points), torch.arange(400.0)[:, None] / 400
    found = lattice(values) / lattice(torch.ones(400, 1))
    kernel = (-torch.cdist(points, points).square() / 2).exp()
    expected = kernel @ values / kernel.sum(dim=1, keepdim=True)
    assert (found - expected).abs().mean() < 0.15 * expected.std()


def test_what_does_not_fit_is_refused():
    maps, picture = _inputs()
    with pytest.raises(ValueError, match='the size of the maps'):
        dense_crf(maps, picture[:, :5])
    with pytest.raises(ValueError, match='larger standard deviations'):
        dense_crf(maps, picture, bilateral_colour_std=1e-4)
