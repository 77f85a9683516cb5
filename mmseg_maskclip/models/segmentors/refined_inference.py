"""Inference with refiners behind the scores."""

from __future__ import annotations

from typing import Any, Sequence, cast

import torch
from torch import Tensor

from mmseg_maskclip.models.refiners import QueryClasses, Refiners, View
from mmseg_maskclip.models.segmentors.tiled_inference import Reader, TiledInference
from mmseg_maskclip.ops import (
    IGNORED,
    BackgroundRule,
    HeldScores,
    background_labels,
    background_probabilities,
    probability_map,
)
from mmseg_maskclip.ops.score_maps import Scores, whole_maps


def _as_they_are(values: Tensor) -> Tensor:
    return values


class RefinedInference(TiledInference):
    """Mixin: refiners between the scores of queries and the labels of classes.

    Where refiners need it, the score grid holds queries. Per augmentation its
    scores at the size of the label map are refined by the picture, and turned
    into class probabilities; their mean over the augmentations is what
    thresholds, arg-max and closing see. Scores at image size are held for Pamr only.
    """

    refiners: Refiners
    decode_head: Any
    _known_queries: tuple = (None, None)

    @property
    def query_classes(self) -> QueryClasses:
        """All rows of the text embeddings, and their classes."""
        return self._queries(None)

    def candidates(self, classes: Sequence[int]) -> QueryClasses:
        """The rows of some classes, see :meth:`QueryClasses.of_candidates`.

        Args:
            classes: Class ids, C of them.
        """
        return self._queries(tuple(classes))

    def _queries(self, classes: tuple[int, ...] | None) -> QueryClasses:
        text, background = self.decode_head.text, self.refiners.background
        label = background.class_id if background is not None else None
        # Made from Python lists, for which a CPU waits for its GPU: once, not in every step.
        made_from, made = self._known_queries
        if made_from is None or made_from[0] is not text.row_class or (
                made_from[1:] != (classes, label)):
            if classes is None:
                made = QueryClasses.of_bank(text.row_class, text.num_classes, label)
            else:
                made = QueryClasses.of_candidates(text.row_class, text.num_classes, classes, label)
            self._known_queries = ((text.row_class, classes, label), made)
        return made

    def query_probabilities(self, scores: Tensor) -> Tensor:
        """Probabilities of queries, of the same shape.

        Args:
            scores: Refined scores, (..., Q).
        """
        raise NotImplementedError

    def label_image(self, views: Sequence[View]) -> Tensor:
        """Class ids of an image, (H, W) int64; 255 is none of the classes."""
        if self.refiners.needs_queries:
            queries = self.query_classes
            labels = self.decide(views, queries)[0]
            labels.masked_fill_(labels == queries.num_classes, IGNORED)
        else:
            labels = super().label_image(views)
        return labels if self.refiners.closing is None else self.refiners.closing(labels)

    def image_probabilities(self, views: Sequence[View]) -> Tensor:
        """Class probabilities of an image, (K, H, W).

        Their arg-max is :meth:`label_image` before closing. With a background
        they need not add up to 1, and pixels of none of the classes have 0 everywhere.
        """
        if not self.refiners.needs_queries:
            return super().image_probabilities(views)
        queries = self.query_classes
        maps, read = self._refined(views, self._probability_reader(queries))
        return background_probabilities(maps, read, self._rule(queries), queries.num_classes)

    def readable(self, views: Sequence[View]) -> tuple[Sequence[Scores], Reader]:
        """See :meth:`TiledInference.readable`; with ``Pamr`` all scores of a map are held."""
        if not self.refiners.needs_queries:
            return super().readable(views)
        return self._refined(views, self._probability_reader(self.query_classes))

    def decide(self, views: Sequence[View], queries: QueryClasses) -> tuple[Tensor, Tensor]:
        """Class of every pixel, before closing.

        Args:
            views: The augmentations of an image, with scores of queries.
            queries: Their classes.

        Returns:
            Class ids (H, W) int64, ``num_classes`` for none of them, and their
            scores or probabilities (H, W).
        """
        compares_scores = len(views) == 1 and self.refiners.background is None
        read = queries.pool if compares_scores else self._probability_reader(queries)
        maps, read = self._refined(views, read)
        return background_labels(maps, read, self._rule(queries))[:2]

    def encode_decode(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """Scores of whole network inputs at their size, (B, K, H, W).

        With a background these are probabilities, see :meth:`image_probabilities`.

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
        """
        if not self.refiners.needs_queries:
            return super().encode_decode(img, img_metas)
        grids = self.score_grid(img, img_metas, self.prior_of(img, img_metas), self.token_of(img))
        queries = self.query_classes
        found = []
        for view in self.views_of(grids, img):
            if self.refiners.background is not None:
                found.append(self.image_probabilities([view]))
            else:
                maps, read = self._refined([view], queries.pool)
                found.append(probability_map(maps, read)[:queries.num_classes])
        return torch.stack(found)

    def choose(self, grids: Tensor, img: Tensor, queries: QueryClasses) -> tuple[Tensor, Tensor]:
        """Classes of all pixels of network inputs, before closing.

        Args:
            grids: Scores of queries, (B, Q, h, w).
            img: (B, 3, H, W).
            queries: Their classes.

        Returns:
            Class ids (B, H, W) int64, ``num_classes`` for none of them, and
            their scores or probabilities (B, H, W).
        """
        chosen = [self.decide([view], queries) for view in self.views_of(grids, img)]
        return torch.stack([one[0] for one in chosen]), torch.stack([one[1] for one in chosen])

    def views_of(self, grids: Tensor, img: Tensor) -> list[View]:
        """Views of the images of a batch at the size of the network's input.

        Args:
            grids: Their score grids, (B, Q, h, w).
            img: (B, 3, H, W).
        """
        size = (img.shape[2], img.shape[3])
        padding = (self.score_padding(size[0]), self.score_padding(size[1]))
        return [View(scores, image, size)
                for scores, image in zip(whole_maps(grids, size, padding, self.align_corners), img)]

    def _probability_reader(self, queries: QueryClasses) -> Reader:
        """Class probabilities of a tile of query scores."""
        if self.refiners.background is None:
            return lambda scores: self.probabilities(queries.pool(scores))
        return lambda scores: queries.pool(self.query_probabilities(scores))

    def _rule(self, queries: QueryClasses) -> BackgroundRule:
        if self.refiners.background is None:
            return BackgroundRule(queries.width, queries.num_classes)
        return self.refiners.background.rule(queries)

    def _refined(self, views: Sequence[View], read: Reader) -> tuple[Sequence[Scores], Reader]:
        """Score maps after Pamr, and how classes are read from them."""
        pamr = self.refiners.pamr
        if pamr is None:
            return [view.scores for view in views], read
        total: Tensor | None = None
        for view in views:
            held = HeldScores(probability_map([view.scores], _as_they_are))
            pamr(held.values, view.picture())
            if len(views) == 1:
                return [held], read
            # Of several augmentations only the sum of their classes is kept.
            part = probability_map([held], read)
            total = part if total is None else total.add_(part)
        return [HeldScores(cast(Tensor, total).div_(len(views)))], _as_they_are
