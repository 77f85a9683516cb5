"""Pairs of a picture and a caption, as pretraining sees them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mmseg_maskclip.clip.pretraining import MEAN, STD
from mmseg_maskclip.tinyworld.captions import caption
from mmseg_maskclip.tinyworld.scenes import object_picture


class CaptionedPictures(Dataset):
    """Object-centric pictures with captions, drawn on access.

    Items are (image, text): the image augmented by a flip, contrast,
    brightness and colour, normalised with CLIP's statistics, (3, 128, 128).

    Args:
        seed: Which world.
        length: Number of pairs.
        first: Index of the first picture.
        augment: Whether to augment the pictures.
    """

    def __init__(self, seed: int, length: int, first: int = 0, augment: bool = True):
        self.seed, self.length, self.first, self.augment = seed, length, first, augment

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> tuple[Tensor, str]:
        index = self.first + item
        picture = object_picture(self.seed, index)
        # 2: another stream than the pictures, which use 0 and 1.
        rng = np.random.default_rng((self.seed, 2, index))
        text = caption(picture.things, picture.stuff, rng)
        pixels = picture.image.astype(np.float32) / 255
        if self.augment:
            pixels = _jitter(pixels, rng)
        return normalise(pixels), text


def normalise(pixels: np.ndarray) -> Tensor:
    """RGB (H, W, 3) in 0..1 to CLIP's input, (3, H, W)."""
    scaled = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32))


def _jitter(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    contrast, cast = rng.uniform(0.75, 1.4), rng.uniform(-0.08, 0.08, 3) + rng.uniform(-0.1, 0.1)
    # Contrast about the mean of CLIP's training images, 0.45.
    return (pixels - 0.45) * np.float32(contrast) + 0.45 + cast.astype(np.float32)
