"""``draw_segmentation`` of the earlier ``maskclip`` package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.apis.maskclip_package.class_sets import get_palette
from mmseg_maskclip.utils import InputError, require_number
from mmseg_maskclip.visualization.overlay import overlay

if TYPE_CHECKING:
    from PIL import Image

_OPACITY = 0.8


def draw_segmentation(img: Image.Image, out: Tensor, dataset: str | None = None,
                      num_classes: int | None = None, random_state: int = 42) -> list[Tensor]:
    """A picture, and its best class at each pixel drawn over it.

    Args:
        img: The picture, of any mode.
        out: Its scores, (1, C, h, w), resized bilinearly here.
        dataset: Whose palette to use, see :func:`available_datasets`.
        num_classes: Without a data set, this many random colours.
        random_state: Seed of these; the global random state is not touched.

    Returns:
        The picture and the drawing, both (H, W, 3) uint8.

    Raises:
        InputError: If there are other than one image's scores, or too few colours.
    """
    if not isinstance(out, Tensor) or out.dim() != 4 or len(out) != 1:
        shape = tuple(getattr(out, 'shape', ())) or type(out).__name__
        raise InputError(f'out has the shape {shape}, expected (1, C, h, w): one picture is drawn, '
                         'give out[i:i + 1].')
    palette = _colours(out.shape[1], dataset, num_classes, random_state)
    picture = np.array(img.convert('RGB'))
    scores = F.interpolate(out.detach().float(), picture.shape[:2], mode='bilinear',
                           align_corners=False)
    labels = scores[0].argmax(dim=0).cpu().numpy()
    # It takes and gives BGR.
    drawn = overlay(picture[..., ::-1].copy(), labels, palette, _OPACITY)[..., ::-1]
    return [torch.from_numpy(picture), torch.from_numpy(drawn.copy())]


def _colours(channels: int, dataset: str | None, num_classes: int | None,
             seed: int) -> list[list[int]]:
    if dataset is not None:
        palette, named = get_palette(dataset), f'dataset {dataset!r}'
    elif num_classes is not None:
        require_number(num_classes, 'num_classes', minimum=1, whole=True)
        random = np.random.RandomState(seed)
        palette, named = random.randint(0, 255, size=(num_classes, 3)).tolist(), 'num_classes'
    else:
        raise InputError('there are no colours: give dataset or num_classes.')
    if len(palette) < channels:
        raise InputError(f'{named} gives {len(palette)} colours, expected one for each of the '
                         f'{channels} channels of out.')
    return palette
