"""``DenseCRF`` of the earlier ``maskclip`` package."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip.spec import OPENAI_MEAN, OPENAI_STD
from mmseg_maskclip.ops import dense_crf
from mmseg_maskclip.utils import InputError, require_number


class DenseCRF(nn.Module):
    """Fully connected CRF over the pixels of a picture, see :func:`~mmseg_maskclip.ops.dense_crf`.

    Args:
        max_iter: Mean-field iterations.
        pos_w: Weight of the kernel of the distance.
        pos_xy_std: Its standard deviation, in pixels.
        bi_w: Weight of the kernel of distance and colour.
        bi_xy_std: Its standard deviation in pixels.
        bi_rgb_std: Its standard deviation in steps of 255.
        mean: RGB mean, 0..1, that was subtracted from images; CLIP's, as of ``preprocess``.
        std: Standard deviation that they were divided by.

    Raises:
        InputError: On impossible settings.
    """

    def __init__(self, max_iter: int = 10, pos_w: float = 3, pos_xy_std: float = 1, bi_w: float = 4,
                 bi_xy_std: float = 67, bi_rgb_std: float = 3, mean: Sequence[float] = OPENAI_MEAN,
                 std: Sequence[float] = OPENAI_STD) -> None:
        super().__init__()
        self.max_iter = require_number(max_iter, 'max_iter', minimum=0, whole=True)
        self.weights = tuple(require_number(value, name, minimum=0) for name, value in (
            ('pos_w', pos_w), ('bi_w', bi_w)))
        self.widths = tuple(require_number(value, name, above=0) for name, value in (
            ('pos_xy_std', pos_xy_std), ('bi_xy_std', bi_xy_std), ('bi_rgb_std', bi_rgb_std)))
        for name, value in (('mean', mean), ('std', std)):
            if len(tuple(value)) != 3:
                raise InputError(f'{name} is {value!r}, expected one number for each of R, G, B.')
            self.register_buffer(f'_{name}', torch.tensor(tuple(value)).view(3, 1, 1),
                                 persistent=False)

    @torch.no_grad()
    def forward(self, output: Tensor, image: Tensor) -> Tensor:
        """Refine logits by the images they belong to.

        Args:
            output: Logits, (B, C, H, W), resized to the images.
            image: Normalised, (B, 3, H, W).

        Returns:
            Marginal probabilities, (B, C, H, W) float32, on the CPU.

        Raises:
            InputError: If the two differ in size.
        """
        if output.dim() != 4 or image.shape != (len(output), 3, *output.shape[2:]):
            raise InputError(f'image has the shape {tuple(image.shape)}, output '
                             f'{tuple(output.shape)}: expected (B, 3, H, W) and logits that are '
                             'resized to (B, C, H, W).')
        return torch.stack([self._refine(*pair) for pair in zip(output, image)])

    def _refine(self, logits: Tensor, image: Tensor) -> Tensor:
        picture = image.float() * self._std.to(image.device) + self._mean.to(image.device)
        # Of an 8-bit picture its own levels.
        levels = (255 * picture.clamp(0, 1)).round()
        return dense_crf(logits.float().softmax(dim=0), levels, self.max_iter, self.weights[0],
                         self.widths[0], self.weights[1], *self.widths[1:]).cpu()
