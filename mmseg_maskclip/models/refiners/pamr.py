"""Scores that follow the edges of the picture."""

from __future__ import annotations

from typing import Sequence

from torch import Tensor

from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.ops import pamr
from mmseg_maskclip.utils import InputError, require_number


@REFINERS.register_module()
class Pamr:
    """Pixel-adaptive mask refinement of the scores (PAMR, Sec. 3.2), at the size of the picture.

    Args:
        iterations: How often.
        dilations: Distances of the eight neighbours that a pixel is compared with.

    Raises:
        InputError: If one is not a number of at least 1, or a distance stands twice.
    """

    def __init__(self, iterations: int = 10, dilations: Sequence[int] = (8, 16)) -> None:
        require_number(iterations, 'iterations', minimum=1, whole=True,
                       hint='leave Pamr out of model.refine to do without')
        if not isinstance(dilations, (list, tuple)) or not dilations or (
                len(set(dilations)) < len(dilations)):
            raise InputError(f'dilations is {dilations!r}, expected different whole numbers such '
                             'as (8, 16).')
        for distance in dilations:
            require_number(distance, 'a distance of dilations', minimum=1, whole=True)
        self.iterations = iterations
        self.dilations = tuple(dilations)

    def __call__(self, scores: Tensor, picture: Tensor) -> Tensor:
        """Refined scores.

        Args:
            scores: (Q, H, W) float32, overwritten.
            picture: (3, H, W), normalised in any way.

        Returns:
            The scores.

        Raises:
            InputError: If the picture has one pixel alone.
        """
        if scores[0].numel() == 1:
            raise InputError('Pamr compares a pixel with its neighbours, the picture has one pixel '
                             'alone: leave such pictures out, or Pamr out of model.refine.')
        return pamr(scores, picture, self.iterations, self.dilations)
