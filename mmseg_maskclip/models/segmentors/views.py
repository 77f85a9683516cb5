"""Features of several views of an image (ITACLIP, Sec. 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.utils import InputError, require_number

_LUMA = (0.2989, 0.587, 0.114)
_BLUR_SIZE = 11
_BLUR_SIGMA = 5.0


class ImageViews:
    """ITACLIP's image engineering: five views, averaged.

    Scores are ``weight`` times those of the mean feature of the image as it is, in grey and
    blurred, and otherwise the mean of those of two mirrored views, mirrored back. All of this is
    linear in the features, so that it is done to them.

    Args:
        weight: Share of the views that are not mirrored.

    Raises:
        InputError: If it is outside [0, 1].
    """

    def __init__(self, weight: float = 0.7) -> None:
        self.weight = require_number(weight, 'views.weight', minimum=0, maximum=1)

    @classmethod
    def of(cls, settings: dict) -> ImageViews:
        """From a config.

        Raises:
            InputError: On unknown settings.
        """
        try:
            return cls(**settings)
        except TypeError as error:
            raise InputError(f'model.views is {dict(settings)!r}, expected dict(weight=0.7).'
                             ) from error

    def of_images(self, img: Tensor, backbone: ClipBackbone) -> Tensor:
        """The four views beside the image, (4 * B, 3, H, W).

        Args:
            img: (B, 3, H, W), normalised by the pipeline.
            backbone: Grey is made of the channels as this tower normalises them.
        """
        own = backbone.normalise(img)
        with full_precision(img):
            grey, soft = (backbone.unnormalise(view)
                          for view in (grey_view(own), blurred_view(own)))
        return torch.cat([grey, soft, img.flip(2), img.flip(3)])

    def combine(self, features: Tensor) -> Tensor:
        """Features whose dot products with text embeddings are the scores.

        Args:
            features: Of the images and :meth:`of_images`, (5 * B, D, h, w).

        Returns:
            (B, D, h, w); not to be normalised.
        """
        own, grey, soft, down, across = F.normalize(features.float(), dim=1).chunk(5)
        straight = (own + grey + soft) / 3
        mirrored = (down.flip(2) + across.flip(3)) / 2
        return torch.lerp(mirrored, straight, self.weight)


def grey_view(images: Tensor) -> Tensor:
    """The luma of normalised channels in each of them, (B, 3, H, W) in and out."""
    luma = torch.tensor(_LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * luma).sum(dim=1, keepdim=True).expand_as(images)


def blurred_view(images: Tensor) -> Tensor:
    """Images blurred by a Gaussian of 11 x 11 pixels, reflected at the border.

    Args:
        images: (B, 3, H, W).

    Raises:
        InputError: If a side is too short to be reflected.
    """
    margin = _BLUR_SIZE // 2
    if min(images.shape[2:]) <= margin:
        raise InputError(f'model.views blurs by {_BLUR_SIZE} pixels, which an image of '
                         f'{images.shape[3]} x {images.shape[2]} is too small for.')
    place = torch.arange(_BLUR_SIZE, dtype=images.dtype, device=images.device) - margin
    kernel = (-0.5 * (place / _BLUR_SIGMA) ** 2).exp()
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (margin,) * 4, mode='reflect')
    planes = padded.flatten(0, 1)[:, None]
    blurred = F.conv2d(F.conv2d(planes, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return blurred[:, 0].view_as(images)
