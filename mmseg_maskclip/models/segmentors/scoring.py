"""What a segmentor says of its scores, from which its inference follows."""

from __future__ import annotations

from typing import Callable

from torch import Tensor

from mmseg_maskclip.ops import class_softmax


class ScoresImages:
    """Mixin: scores of network inputs, and what they mean; to be overridden by segmentors."""

    #: Whether the scores of classes are attention of queries, to be drawn as heat maps.
    shows_queries = False
    #: Whether probabilities of classes add up to 1, of which one excludes the others.
    exclusive_classes = True

    @property
    def activation(self) -> Callable[[Tensor], Tensor] | None:
        """What scores (..., K) pass at the size of the network input, None for nothing.

        That is after they are resized from the grid to their window, and before windows are
        averaged and resized to the image.
        """
        return None

    def prior_of(self, img: Tensor, img_metas: list[dict]) -> Tensor | None:
        """The class prior of whole images, computed once for all their windows.

        Args:
            img: Whole network inputs, (B, 3, H, W).
            img_metas: One dict an image.

        Returns:
            Cosines with the classes, (B, K), or None.
        """
        return None

    def token_of(self, img: Tensor) -> Tensor | None:
        """CLIP's embeddings of whole images, computed once for all their windows.

        Args:
            img: Whole network inputs, (B, 3, H, W).

        Returns:
            (B, D), or None where none are needed or :meth:`score_grid` has its own.
        """
        return None

    def score_padding(self, size: int) -> tuple[int, int]:
        """Pixels before and after an axis of a window that the grid covers, too.

        Args:
            size: Pixels of the window along the axis.
        """
        return 0, 0

    def score_grid(self, img: Tensor, img_metas: list[dict], prior: Tensor | None = None,
                   token: Tensor | None = None) -> Tensor:
        """Scores of a network input on the model's own grid.

        Args:
            img: (B, 3, H, W), whole inputs or windows of them.
            img_metas: One dict an image.
            prior: Output of :meth:`prior_of`.
            token: Output of :meth:`token_of`.

        Returns:
            (B, K, h, w).
        """
        raise NotImplementedError

    def probabilities(self, scores: Tensor) -> Tensor:
        """Class probabilities of scores, in the same order.

        Args:
            scores: (..., K).

        Returns:
            (..., K), of sum 1.
        """
        return class_softmax(scores)
