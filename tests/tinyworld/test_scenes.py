"""Pictures of the embedded world: reproducible, complete, exactly labelled."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from mmseg_maskclip.tinyworld import CLASSES, STUFF, THINGS
from mmseg_maskclip.tinyworld.scenes import object_picture, scene
from mmseg_maskclip.tinyworld.textures import TEXTURES

from helpers.cases import cases


@functools.cache
def drawn(index):
    """A scene, drawn once for all tests that look at many."""
    return scene(0, index)


def same(first, second) -> bool:
    return (np.array_equal(first.image, second.image) and np.array_equal(first.mask, second.mask)
            and first.things == second.things and first.stuff == second.stuff)


@pytest.mark.parametrize('draw', [object_picture, scene])
def test_a_picture_depends_on_seed_and_index_alone(draw):
    forward = [draw(3, index) for index in range(4)]
    backward = [draw(3, index) for index in reversed(range(4))][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward))
    assert not same(forward[0], forward[1])
    assert not same(forward[0], draw(4, 0))


@pytest.mark.parametrize('draw, size, most', [(object_picture, 128, 2), (scene, 256, 4)])
def test_form_and_contents(draw, size, most):
    counts = set()
    for index in range(40):
        picture = drawn(index) if draw is scene else draw(0, index)
        assert picture.image.shape == (size, size, 3) and picture.image.dtype == np.uint8
        assert picture.mask.shape == (size, size) and picture.mask.dtype == np.uint8
        ids = {CLASSES[i] for i in np.unique(picture.mask)}
        assert set(picture.things) <= ids & set(THINGS)
        assert set(picture.stuff) <= ids & set(STUFF)
        assert len(ids & set(THINGS)) <= most
        counts.add(len(ids & set(THINGS)))
    assert counts >= ({0, 1, 2} if most == 2 else {1, 2, 3, 4})


def test_names_are_those_with_a_visible_share():
    for index in range(40):
        picture = drawn(index)
        share = np.bincount(picture.mask.ravel(), minlength=14) / picture.mask.size
        expected = {CLASSES[i] for i in range(14) if share[i] > 0.02}
        assert {*picture.things, *picture.stuff} == expected


def test_every_class_appears():
    pixels = sum(np.bincount(drawn(index).mask.ravel(), minlength=14) for index in range(60))
    assert pixels.shape == (14,)
    assert (pixels > 5000).all()


def test_masks_follow_the_drawn_pixels():
    """These things are warm and sky is cold, so colour alone gives the outline."""
    warm = {'tiger', 'ladybird', 'giraffe', 'cookie', 'strawberry'}
    checked = 0
    for index in range(400):
        picture = object_picture(5, index)
        if picture.stuff != ('sky',) or len(picture.things) != 1 or picture.things[0] not in warm:
            continue
        red, _, blue = np.moveaxis(picture.image.astype(int), 2, 0)
        mask = picture.mask >= len(STUFF)
        body, air = red > blue + 25, blue > red + 25
        assert (body & ~mask).sum() < 0.004 * mask.size
        assert (air & mask).sum() < 0.004 * mask.size
        assert (body & mask).sum() > 0.4 * mask.sum()
        checked += 1
        if checked == 4:
            return
    pytest.fail('too few warm things on sky alone were drawn')


def test_a_thing_is_one_blob():
    import cv2
    for index in range(30):
        picture = object_picture(2, index)
        if len(picture.things) != 1:
            continue
        blob = (picture.mask == CLASSES.index(picture.things[0])).astype(np.uint8)
        assert cv2.connectedComponents(blob, connectivity=8)[0] == 2


@cases('name', CLASSES)
def test_textures_vary_and_keep_their_range(name):
    rng = np.random.default_rng(0)
    first, second = (TEXTURES[name](40, 56, rng) for _ in range(2))
    assert first.shape == (40, 56, 3)
    assert first.min() >= 0 and first.max() <= 255
    assert np.abs(first - second).mean() > 2
    assert first.std() > 2


def test_textures_are_in_the_order_of_the_classes():
    assert tuple(TEXTURES) == CLASSES
