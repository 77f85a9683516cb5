"""A network input of an image, with its scores at the size of the label map."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.score_maps import Scores


@dataclass(frozen=True)
class View:
    """One of the augmentations of an image.

    Attributes:
        scores: At the size of the label map, flips undone.
        image: The network's input, (3, H, W).
        crop: Rows and columns of it that are the image; the rest is padding.
        flipped: Dimensions of a (3, H, W) picture along which it was mirrored.
    """

    scores: Scores
    image: Tensor
    crop: tuple[int, int]
    flipped: tuple[int, ...] = ()

    def picture(self) -> Tensor:
        """The network's input as the scores are: resized, its flip undone, (3, H', W')."""
        image = self.image[None, :, :self.crop[0], :self.crop[1]].float()
        image = F.interpolate(image, size=self.scores.size, mode='bilinear', align_corners=False)
        return image[0].flip(self.flipped)
