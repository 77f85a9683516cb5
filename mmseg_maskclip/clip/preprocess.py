"""CLIP's own way from a picture to its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image
    from torchvision.transforms import Compose


def square_of(picture: Image.Image, size: int) -> Tensor:
    """The square of a picture that CLIP sees: short side resized, centre cropped.

    As open_clip's and OpenAI's preprocessing (bicubic with antialiasing, on
    8 bits), but for palette pictures, which become RGB before the resizing
    instead of after it. What is left to do is to normalise.

    Args:
        picture: Any mode.
        size: Side in pixels.

    Returns:
        RGB, 0 to 255, (3, size, size) uint8.
    """
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    steps = Compose([Resize(size, interpolation=InterpolationMode.BICUBIC), CenterCrop(size)])
    square = np.array(steps(picture.convert('RGB')))
    return torch.from_numpy(square).permute(2, 0, 1)


def stretched_transform(size: tuple[int, int], mean: Sequence[float],
                        std: Sequence[float]) -> Compose:
    """A transform that keeps all of a picture: stretched to a size, normalised.

    Args:
        size: (H, W).
        mean: RGB mean, 0..1.
        std: RGB standard deviation, 0..1.

    Returns:
        From a PIL picture of any mode to (3, H, W) float32.
    """
    from torchvision.transforms import (
        Compose,
        InterpolationMode,
        Lambda,
        Normalize,
        Resize,
        ToTensor,
    )

    return Compose([Lambda(_rgb), Resize(size, interpolation=InterpolationMode.BICUBIC),
                    ToTensor(), Normalize(mean, std)])


def _rgb(picture: Image.Image) -> Image.Image:
    return picture.convert('RGB')
