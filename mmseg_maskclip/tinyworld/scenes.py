"""Pictures of the embedded world with exact masks, each from a seed and an index.

The same seed and index give the same picture whatever was drawn before. Two
kinds: object-centric pictures, 128 pixels, for pretraining with captions, and
scenes, 256 pixels, for segmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from mmseg_maskclip.tinyworld.classes import CLASSES, STUFF, THINGS
from mmseg_maskclip.tinyworld.patterns import Array, noise
from mmseg_maskclip.tinyworld.textures import TEXTURES

OBJECT_SIZE = 128
SCENE_SIZE = 256
_OBJECT_KIND, _SCENE_KIND = 0, 1
_ANGLES = 256
# Of the picture; less is neither named in captions nor looked for.
_VISIBLE = 0.02


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Attributes:
        image: RGB, (H, W, 3), uint8.
        mask: Class ids, (H, W), uint8, 0..13.
        things: Names of the things in it, largest first.
        stuff: Names of the stuff in it, largest first.
    """

    image: Array
    mask: Array
    things: tuple[str, ...]
    stuff: tuple[str, ...]


def object_picture(seed: int, index: int) -> Picture:
    """An object-centric picture: up to two large things on one or two stuffs.

    Args:
        seed: Which world.
        index: Which picture of it.
    """
    rng = np.random.default_rng((seed, _OBJECT_KIND, index))
    count = rng.choice(3, p=(0.12, 0.44, 0.44))
    radius = (24, 52) if count < 2 else (20, 36)
    return _draw(rng, OBJECT_SIZE, count, radius, stuffs=rng.choice((1, 2), p=(0.5, 0.5)))


def scene(seed: int, index: int) -> Picture:
    """A scene: one to four smaller things on one to three stuffs.

    Args:
        seed: Which world.
        index: Which picture of it.
    """
    rng = np.random.default_rng((seed, _SCENE_KIND, index))
    return _draw(rng, SCENE_SIZE, rng.integers(1, 5), (30, 54),
                 stuffs=rng.choice((1, 2, 3), p=(0.25, 0.5, 0.25)))


def _draw(rng: Generator, size: int, count: int, radius: tuple[float, float],
          stuffs: int) -> Picture:
    """Stuff first, things on top in turn, then light and sensor noise."""
    # The order of the draws is part of the world: another order, other pictures.
    image, mask = _ground(rng, size, list(rng.choice(STUFF, stuffs, replace=False)))
    placed: list[tuple[float, float, float]] = []
    for name in rng.choice(THINGS, count, replace=False):
        reach = rng.uniform(*radius)
        spot = _free_spot(rng, size, reach, placed)
        placed.append((*spot, reach))
        _add_thing(rng, image, mask, name, spot, reach)
    counts = np.bincount(mask.ravel(), minlength=len(CLASSES))
    seen = [CLASSES[i] for i in np.argsort(-counts, kind='stable')
            if counts[i] > _VISIBLE * size**2]
    return Picture(_expose(rng, image), mask, tuple(n for n in seen if n in THINGS),
                   tuple(n for n in seen if n in STUFF))


def _ground(rng: Generator, size: int, names: list[str]) -> tuple[Array, Array]:
    """Bands of stuff with wavy borders; sky, where there is any, on top."""
    # Sorting is stable: the others keep their drawn order.
    names = sorted(names, key=lambda name: name != 'sky')
    image = TEXTURES[names[0]](size, size, rng)
    mask = np.full((size, size), CLASSES.index(names[0]), np.uint8)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    slope = rng.normal(0, 0.25)
    wave = 0.22 * (noise(size, size, size / 3, rng) - 0.5)
    height = y + slope * (x - 0.5) + wave
    for order, name in enumerate(names[1:], 1):
        border = order / len(names) + rng.uniform(-0.1, 0.1)
        cover = np.clip((height - border) * size + 0.5, 0, 1)
        _paint(image, mask, TEXTURES[name](size, size, rng), cover, CLASSES.index(name))
    return image, mask


def _paint(image: Array, mask: Array, texture: Array, cover: Array, label: int) -> None:
    """Lay a texture over a picture in place; the mask follows the larger share."""
    share = cover[..., None]
    image *= 1 - share
    image += texture * share
    mask[cover >= 0.5] = label


def _free_spot(rng: Generator, size: int, reach: float,
               placed: list[tuple[float, float, float]]) -> tuple[float, float]:
    """A centre that leaves the things placed so far mostly uncovered."""
    margin = 0.75 * reach
    best, best_gap = (size / 2, size / 2), -np.inf
    # A crowded picture may have no free spot: then the least covered one is taken.
    for _ in range(24):
        x, y = rng.uniform(margin, size - margin, 2)
        gap = min((np.hypot(x - px, y - py) - 0.95 * (reach + other)
                   for px, py, other in placed), default=0)
        if gap >= 0:
            return x, y
        if gap > best_gap:
            best, best_gap = (x, y), gap
    return best


def _blob(rng: Generator, reach: float) -> tuple[Array, Array]:
    """A round, lobed outline.

    Returns:
        Cover 0..1, and depth 0 (rim) .. 1 (centre), both (N, N) about the centre.
    """
    angles = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False)
    table = np.ones(_ANGLES)
    for lobes in range(2, 6):
        table += rng.normal(0, 0.26 / lobes) * np.cos(lobes * angles + rng.uniform(0, 2 * np.pi))
    table = (reach * np.clip(table, 0.5, 1.35)).astype(np.float32)
    half = int(np.ceil(table.max())) + 2
    y, x = np.mgrid[-half:half + 1, -half:half + 1].astype(np.float32)
    turn = np.arctan2(y, x) * np.float32(_ANGLES / (2 * np.pi))
    rim = table[np.rint(turn).astype(np.int32) % _ANGLES]
    radius = np.hypot(x, y)
    return np.clip(rim - radius + 0.5, 0, 1), np.clip(1 - radius / rim, 0, 1)


def _add_thing(rng: Generator, image: Array, mask: Array, name: str,
               spot: tuple[float, float], reach: float) -> None:
    """Draw one thing in place: a soft shadow, then its shaded texture."""
    cover, depth = _blob(rng, reach)
    height, width = cover.shape
    texture = TEXTURES[name](height, width, rng)
    texture *= (0.62 + 0.42 * np.sqrt(np.clip(depth * 3, 0, 1)))[..., None]
    left, top = int(spot[0]) - width // 2, int(spot[1]) - height // 2
    shadow = cv2.GaussianBlur(cover, (0, 0), 3)
    # The shadow darkens the picture and leaves the mask: its pixels are still the ground's.
    target, source = _overlap(mask.shape, (top + 3, left + 2), cover.shape)
    image[target] *= 1 - 0.4 * shadow[source][..., None]
    target, source = _overlap(mask.shape, (top, left), cover.shape)
    _paint(image[target], mask[target], np.clip(texture[source], 0, 255), cover[source],
           CLASSES.index(name))


def _overlap(canvas: tuple[int, ...], corner: tuple[int, int],
             patch: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch placed at ``corner`` lies on the canvas, and which part of it."""
    target, source = [], []
    for length, start, extent in zip(canvas, corner, patch):
        low, high = max(start, 0), max(min(start + extent, length), 0)
        target.append(slice(low, high))
        source.append(slice(low - start, high - start))
    return tuple(target), tuple(source)


def _expose(rng: Generator, image: Array) -> Array:
    """Light from one side, a colour cast, brightness, contrast and sensor noise."""
    size = image.shape[0]
    slope = rng.uniform(-0.14, 0.14, 2)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + slope[0] * ramp[:, None] + slope[1] * ramp[None]
    gain = rng.uniform(0.8, 1.12) * rng.uniform(0.94, 1.06, 3)
    image = image * (light[..., None] * gain).astype(np.float32)
    image = (image - 110) * np.float32(rng.uniform(0.82, 1.12)) + 110
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 5))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
