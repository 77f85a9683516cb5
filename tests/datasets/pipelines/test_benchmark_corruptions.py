"""The fifteen corruptions against recorded outputs of the package imagecorruptions 1.1.2.

``imagecorruptions.json`` holds what that package made of :func:`sample` with NumPy's random state
seeded with 3: means of the channels, and the pixels at POINTS. Its frost is cut from photographs
and is not drawn here; noise and JPEG have tests of their own.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from mmseg_maskclip.datasets.pipelines import BENCHMARK, CORRUPTIONS, corrupt_image
from mmseg_maskclip.datasets.pipelines.corruptions.fields import plasma

from helpers.cases import cases

RECORDED = json.loads(Path(__file__).with_name('imagecorruptions.json').read_text())
POINTS = ((7, 11), (29, 44), (41, 80), (55, 3))


def sample():
    rows, columns, channels = np.indices((60, 90, 3))
    return ((rows // 5 * 37 + columns // 7 * 59 + channels * 83) % 256).astype(np.uint8)


def random():
    return np.random.RandomState(3)


def test_the_fifteen_are_all_there():
    assert len(BENCHMARK) == len(set(BENCHMARK)) == 15 and set(BENCHMARK) < set(CORRUPTIONS)
    assert set(RECORDED) == set(BENCHMARK[4:-1]) - {'frost'}


@cases('name', RECORDED)
def test_equals_the_package(name):
    """All but the rounding of single values: one of 255."""
    for severity, expected in enumerate(RECORDED[name], start=1):
        found = corrupt_image(sample(), name, severity, random())
        assert found.mean((0, 1)) == pytest.approx(expected['mean'], abs=0.15), severity
        pixels = [found[point].astype(int) for point in POINTS]
        assert np.abs(np.array(pixels) - expected['pixels']).max() <= 1, severity


def test_plasma_has_the_whole_range_and_no_edge():
    field = plasma(64, 2.0, random())
    assert field.shape == (64, 64) and field.min() == 0 and field.max() == 1
    inside = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 2 * inside, 'a torus has no edge'


def test_frost_has_the_shares_of_the_benchmark():
    """On black the ice alone is seen, and what white adds is the picture's share."""
    black, white = np.zeros((64, 64, 3), np.float32), np.ones((64, 64, 3), np.float32)
    operator, parameters = CORRUPTIONS['frost']
    for (kept, added), stated in zip(parameters, (
            (1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))):
        assert (kept, added) == stated
        ice = operator(black, (kept, added), random())
        assert operator(white, (kept, added), random()) - ice == pytest.approx(kept, abs=1e-5)
        assert ice.mean() / added == pytest.approx(0.62, abs=0.02)
        assert ice.max() <= added + 1e-5
    red, _, blue = ice.mean((0, 1))
    assert red < blue, 'ice is blue'


def test_frost_is_of_crystals_that_differ_from_picture_to_picture():
    operator, parameters = CORRUPTIONS['frost']
    black = np.zeros((128, 128, 3), np.float32)
    first = operator(black, parameters[4], random())
    assert (operator(black, parameters[4], random()) == first).all()
    assert (operator(black, parameters[4], np.random.RandomState(4)) != first).mean() > 0.9
    # Thin bright lines: many pixels are much brighter than the mean of those around.
    grey = first.mean(axis=2)
    around = np.mean([np.roll(grey, step, axis) for axis in (0, 1) for step in (-3, 3)], axis=0)
    assert 0.02 < (grey - around > 0.1).mean() < 0.3
