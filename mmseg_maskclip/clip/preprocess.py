"""CLIP's own way from a picture to its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image


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
