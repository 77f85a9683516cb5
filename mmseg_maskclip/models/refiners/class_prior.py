"""A prior over the queries from the class token of the image itself."""

from __future__ import annotations

from torch import Tensor

from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.ops import class_cosines, softmax_weights, surgery
from mmseg_maskclip.utils import require_number


@REFINERS.register_module()
class ClassPrior:
    """Feature surgery: scores weighted by the class token, less their mean (CLIP Surgery).

    Args:
        tau: Temperature of the prior over the queries; 0.5 is the published one.

    Raises:
        InputError: If it is not above 0.
    """

    def __init__(self, tau: float = 0.5) -> None:
        self.tau = require_number(tau, 'tau', above=0)

    def __call__(self, scores: Tensor, tokens: Tensor, embeddings: Tensor) -> Tensor:
        """Weighted scores.

        Args:
            scores: Cosines, (B, Q, h, w).
            tokens: Embeddings of the whole images, (B, D), any norm.
            embeddings: Text embeddings of the queries, (Q, D).

        Returns:
            (B, Q, h, w).
        """
        return surgery(scores, softmax_weights(class_cosines(tokens, embeddings), self.tau))
