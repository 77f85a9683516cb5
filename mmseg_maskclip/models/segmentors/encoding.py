"""Reading an image once, and classifying what was read as often as wanted."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from mmseg_maskclip.geometry.windows import Windows
from mmseg_maskclip.models.refiners import View
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference


class EncodedInput(NamedTuple):
    """What a segmentor has read of a network input, before it knows of any class.

    Attributes:
        img: The input, (1, 3, H, W).
        windows: Features of each window of it; None where they depend on the classes.
        embeddings: CLIP's embedding of each window, (N, D); None where none was read.
        token: Output of ``token_of``.
    """

    img: Tensor
    windows: tuple
    embeddings: Optional[Tensor]
    token: Optional[Tensor]


class EncodesInputs(TiledInference):
    """Mixin of tiled segmentors that read an image once for any number of sets of classes.

    A segmentor implements :meth:`read_window` and :meth:`score_features`.
    """

    @property
    def reads_for_classes(self) -> bool:
        """Whether features depend on the classes, so that they can't be kept."""
        return False

    def read_window(self, img: Tensor) -> Any:
        """Features of windows, with CLIP's embeddings where the model has them.

        Args:
            img: (B, 3, H, W).
        """
        raise NotImplementedError

    def window_embedding(self, features: Any) -> Tensor | None:
        """CLIP's embedding of windows in joint space, (B, D); None where there is none.

        Args:
            features: Output of :meth:`read_window`.
        """
        return getattr(features, 'image', None)

    def score_features(self, features: Any, prior: Tensor | None = None,
                       token: Tensor | None = None) -> Tensor:
        """Scores of features on the model's own grid, (B, K, h, w).

        Args:
            features: Output of :meth:`read_window`.
            prior: Output of ``prior_of``.
            token: Output of ``token_of``.
        """
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, img: Tensor) -> list[EncodedInput]:
        """Read network inputs of one size, together.

        Args:
            img: (B, 3, H, W).

        Returns:
            One an input.
        """
        windows = Windows.of(self.test_cfg, (img.shape[2], img.shape[3]))
        read = [None if self.reads_for_classes else self.read_window(part)
                for part in windows.parts(img)]
        found = [self.window_embedding(features) for features in read]
        token = self.token_of(img)
        encoded = []
        for one in range(len(img)):
            embeddings = [of_batch[one] for of_batch in found if of_batch is not None]
            encoded.append(EncodedInput(
                img[one:one + 1], tuple(_of_image(features, one) for features in read),
                torch.stack(embeddings) if embeddings else None, _of_image(token, one)))
        return encoded

    @torch.no_grad()
    def encoded_grids(self, encoded: EncodedInput, meta: dict) -> list[Tensor]:
        """Scores of an encoded input for the classes the model has now.

        Args:
            encoded: Output of :meth:`encode`.
            meta: Of the image.

        Returns:
            (1, K, h, w) of each window.
        """
        parts = self._windows(encoded).parts(encoded.img)
        prior = self.prior_of(encoded.img, [meta])
        return [self.score_features(self.read_window(part) if features is None else features,
                                    prior, encoded.token)
                for features, part in zip(encoded.windows, parts)]

    def encoded_view(self, grids: Sequence[Tensor], encoded: EncodedInput, meta: dict) -> View:
        """Scores at the size of the original image.

        Args:
            grids: Of each window, such as :meth:`encoded_grids`.
            encoded: Output of :meth:`encode`.
            meta: Of the image.
        """
        return self.views_of_grids(grids, self._windows(encoded), encoded.img, [meta],
                                   rescale=True)[0]

    def _windows(self, encoded: EncodedInput) -> Windows:
        return Windows.of(self.test_cfg, (encoded.img.shape[2], encoded.img.shape[3]))


def _of_image(value: Any, index: int) -> Any:
    """What belongs to one image of a batch, in tensors and named tuples of them."""
    if isinstance(value, Tensor):
        return value[index:index + 1]
    if isinstance(value, tuple):
        return type(value)(*(_of_image(item, index) for item in value))
    return value
