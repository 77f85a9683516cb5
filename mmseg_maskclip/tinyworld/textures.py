"""Procedural textures: one function per class, which differ in local patterns.

Every function takes a size and a random generator and returns a colour picture
(H, W, 3), float32, 0..255 RGB. Colour, scale, orientation and contrast are
drawn anew for each call; the pattern that defines the class stays.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from mmseg_maskclip.tinyworld.patterns import (
    Array,
    cells,
    colour_near,
    fractal,
    mix,
    noise,
    smooth_step,
    turned,
)


def grass(height: int, width: int, rng: Generator) -> Array:
    """Blades, long and thin, in several greens."""
    base = colour_near(rng, (84, 150, 48))
    picture = mix(base * 0.72, base, noise(height, width, 40, rng))
    picture = np.ascontiguousarray(picture)
    count = int(height * width / rng.uniform(110, 150)) + 4
    lean = rng.uniform(-0.35, 0.35)
    for brightness in rng.permutation(np.linspace(0.55, 1.45, 6)):
        x, y = rng.uniform(-5, width + 5, count), rng.uniform(0, height + 16, count)
        length = rng.uniform(8, 20, count)
        tip = x + length * (lean + rng.normal(0, 0.22, count))
        lines = np.stack([np.stack([x, y], -1), np.stack([tip, y - length], -1)], 1)
        shade = np.clip(base * brightness + (25 * (brightness - 1), 0, 0), 0, 255)
        # OpenCV takes sixteenths of a pixel: shift 4.
        cv2.polylines(picture, (lines * 16).astype(np.int32), False, shade.tolist(), 1,
                      cv2.LINE_AA, 4)
    return picture


def sky(height: int, width: int, rng: Generator) -> Array:
    """A soft blue gradient with blurred clouds."""
    top, low = colour_near(rng, (72, 134, 218)), colour_near(rng, (160, 204, 246), 10)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    clouds = 0.6 * noise(height, width, (24, 48), rng) + 0.4 * fractal(height, width, 20, rng)
    edge = rng.uniform(0.42, 0.62)
    return mix(mix(top, low, down), colour_near(rng, (246, 246, 250), 6),
               0.9 * smooth_step(clouds, edge, edge + 0.3))


def sand(height: int, width: int, rng: Generator) -> Array:
    """Yellow grains with faint ripples."""
    base = colour_near(rng, (222, 190, 130), 14)
    u, _ = turned(height, width, rng, warp=9, angle=rng.normal(np.pi / 2, 0.35))
    ripple = np.sin(u * 2 * np.pi / rng.uniform(14, 26))
    grain = rng.normal(0, 1, (height, width)).astype(np.float32)
    light = 1 + 0.07 * ripple + 0.08 * grain + 0.16 * (noise(height, width, 48, rng) - 0.5)
    return np.clip(base * light[..., None], 0, 255)


def water(height: int, width: int, rng: Generator) -> Array:
    """Deep blue with a net of thin flat-lying highlights."""
    deep, lit = colour_near(rng, (14, 84, 140)), colour_near(rng, (52, 146, 186))
    size = rng.uniform(0.8, 1.4)
    first = noise(height, width, (8 * size, 22 * size), rng)
    second = noise(height, width, (5 * size, 13 * size), rng)
    ridge = 1 - np.abs(first + 0.5 * second - 0.75) * 2.4
    picture = mix(deep, lit, np.clip(0.25 + 0.5 * first + 0.25 * second, 0, 1))
    return mix(picture, colour_near(rng, (206, 236, 244), 8), 0.85 * smooth_step(ridge, 0.8, 1.0))


def bricks(height: int, width: int, rng: Generator) -> Array:
    """Rows of bricks, every other row moved by half a brick, in pale mortar."""
    u, v = turned(height, width, rng, warp=1, angle=rng.normal(0, 0.12))
    tall = rng.uniform(11, 17)
    wide = tall * rng.uniform(2.0, 2.5)
    row = np.floor(v / tall).astype(np.int32)
    u = u / wide + 0.5 * (row & 1)
    column = np.floor(u).astype(np.int32)
    edge = np.minimum(np.minimum(u - column, 1 - u + column) * wide,
                      np.minimum(v / tall - row, 1 - v / tall + row) * tall)
    # One shade a brick, from a table that repeats.
    shade = rng.random((64, 64), dtype=np.float32)[row & 63, column & 63]
    light = 0.72 + 0.5 * shade + 0.2 * (noise(height, width, 2, rng) - 0.5)
    face = colour_near(rng, (166, 78, 56)) * light[..., None]
    return np.clip(mix(colour_near(rng, (204, 196, 184), 12), face, smooth_step(edge, 0.7, 1.9)),
                   0, 255)


def forest(height: int, width: int, rng: Generator) -> Array:
    """Round leafy crowns, dark between them, small bright leaves on top."""
    base = colour_near(rng, (38, 92, 44), 12)
    picture = np.ascontiguousarray(np.broadcast_to(base * 0.3, (height, width, 3)))
    for brightness, radius, share in ((0.6, 9, 160), (0.85, 7, 150), (1.15, 4.5, 90),
                                      (1.6, 2.2, 75)):
        count = int(height * width / share) + 3
        # Sixteenths of a pixel, see the shift of cv2.circle below.
        centres = rng.uniform((-6, -6), (width + 6, height + 6), (count, 2)) * 16
        radii = radius * rng.uniform(0.6, 1.2, count) * 16
        tints = np.clip(base * (brightness * rng.uniform(0.8, 1.2, (count, 1))), 0, 255)
        for centre, size, tint in zip(centres.astype(int).tolist(), radii.astype(int).tolist(),
                                      tints.tolist()):
            cv2.circle(picture, centre, size, tint, -1, cv2.LINE_8, 4)
    return picture


def zebra(height: int, width: int, rng: Generator) -> Array:
    """Bent black stripes on white, both about as wide."""
    u, _ = turned(height, width, rng, warp=10)
    wave = np.sin(u * 2 * np.pi / rng.uniform(11, 18)) + 0.5 * (noise(height, width, 9, rng) - 0.5)
    return mix(colour_near(rng, (238, 234, 226), 12), colour_near(rng, (26, 24, 26), 12),
               smooth_step(wave, -0.25, 0.25))


def tiger(height: int, width: int, rng: Generator) -> Array:
    """Orange fur under thin, broken black stripes."""
    u, v = turned(height, width, rng, warp=8)
    period = rng.uniform(14, 21)
    wave = np.cos(u * 2 * np.pi / period)
    broken = 0.8 * noise(height, width, 13, rng) + 0.35 * np.sin(v * 2 * np.pi / 57)
    stripe = smooth_step(wave - 0.62 + 0.75 * (broken - 0.4), -0.12, 0.25)
    fur = mix(colour_near(rng, (226, 122, 28)), colour_near(rng, (248, 186, 104), 12),
              0.8 * fractal(height, width, 30, rng))
    return mix(fur, colour_near(rng, (30, 18, 12), 10), stripe)


def ladybird(height: int, width: int, rng: Generator) -> Array:
    """Shiny red with large round black spots."""
    size = rng.uniform(17, 25)
    u, v = turned(height, width, rng, warp=1)
    nearest, _, spot = cells(u / size, v / size, 0.17, rng)
    red = mix(colour_near(rng, (196, 22, 22)), colour_near(rng, (238, 66, 40), 12),
              noise(height, width, 34, rng))
    return mix(colour_near(rng, (22, 16, 18), 10), red,
               smooth_step((nearest - 0.25 - 0.09 * spot) * size, -0.8, 0.8))


def giraffe(height: int, width: int, rng: Generator) -> Array:
    """Brown patches with a net of cream between them."""
    size = rng.uniform(16, 24)
    u, v = turned(height, width, rng, warp=3)
    nearest, second, patch = cells(u / size, v / size, 0.42, rng)
    brown = colour_near(rng, (152, 92, 36)) * (0.8 + 0.35 * patch)[..., None]
    return mix(colour_near(rng, (240, 218, 166), 12), brown,
               smooth_step((second - nearest) * size, 1.6, 4.2))


def cookie(height: int, width: int, rng: Generator) -> Array:
    """Rough golden dough with scattered dark chips."""
    size = rng.uniform(14, 19)
    u, v = turned(height, width, rng, warp=4)
    nearest, _, chip = cells(u / size, v / size, 0.4, rng)
    light = 0.8 + 0.3 * fractal(height, width, 9, rng) + 0.12 * noise(height, width, 2, rng)
    dough = np.clip(colour_near(rng, (204, 150, 84), 14) * light[..., None], 0, 255)
    rough = nearest + 0.16 * (noise(height, width, 4, rng) - 0.5)
    inside = (0.14 + 0.22 * chip - rough) * size
    chips = mix(colour_near(rng, (62, 34, 20), 8), colour_near(rng, (104, 62, 40), 8),
                smooth_step(noise(height, width, 4, rng), 0.6, 0.9))
    return mix(dough, chips, smooth_step(inside, -0.7, 0.7))


def strawberry(height: int, width: int, rng: Generator) -> Array:
    """Glossy red with small yellow seeds in rows, each in a dimple."""
    size = rng.uniform(9, 13)
    u, v = turned(height, width, rng, warp=3)
    row = np.floor(v / size)
    du = ((u / size + 0.5 * (row % 2)) % 1 - 0.5) * size
    dv = ((v / size) % 1 - 0.5) * size
    reach = np.sqrt((du * 1.5) ** 2 + dv**2)
    red = mix(colour_near(rng, (206, 20, 38)), colour_near(rng, (240, 72, 72), 12),
              noise(height, width, 26, rng))
    dimple = mix(red, red * 0.62, 1 - smooth_step(reach, 2.2, 4.4))
    return mix(colour_near(rng, (246, 216, 112), 10), dimple, smooth_step(reach, 1.3, 2.4))


def chessboard(height: int, width: int, rng: Generator) -> Array:
    """Squares, light and dark by turns."""
    size = rng.uniform(9, 15)
    u, v = turned(height, width, rng)
    across = np.sin(u * np.pi / size) * np.sin(v * np.pi / size)
    dark = colour_near(rng, (34, 30, 32) if rng.random() < 0.6 else (96, 58, 34), 14)
    return mix(colour_near(rng, (236, 226, 206), 14), dark, smooth_step(across, -0.12, 0.12))


def melon(height: int, width: int, rng: Generator) -> Array:
    """Light green rind with wide, jagged dark green bands."""
    u, _ = turned(height, width, rng, warp=5)
    period = rng.uniform(17, 26)
    jag = 1.5 * (noise(height, width, 5, rng) - 0.5)
    band = smooth_step(np.sin(u * 2 * np.pi / period) + jag, -0.2, 0.3)
    light = mix(colour_near(rng, (150, 206, 92)), colour_near(rng, (190, 226, 140), 12),
                fractal(height, width, 10, rng))
    dark = mix(colour_near(rng, (18, 82, 40), 12), colour_near(rng, (36, 112, 52), 12),
               noise(height, width, 4, rng))
    return mix(light, dark, band)


TEXTURES = {function.__name__: function for function in (
    grass, sky, sand, water, bricks, forest, zebra, tiger, ladybird, giraffe, cookie, strawberry,
    chessboard, melon)}
