"""The text embeddings a head classifies by, as a part of the model."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.ops import pool_rows, score_patches
from mmseg_maskclip.utils import InputError


class TextClassifier(nn.Module):
    """Fixed text embeddings; empty until a bank or a checkpoint fills them.

    Rows of contrast words, which are none of the classes, have the class id K.

    Args:
        num_classes: K.

    Attributes:
        contrast: Whether contrast words are expected behind the classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.contrast = False
        self.synonyms = False
        # Persistent: a trained student needs no CLIP file to be tested.
        self.register_buffer('embeddings', torch.empty(0, 0))
        self.register_buffer('row_class', torch.empty(0, dtype=torch.int64))

    @property
    def contrast_rows(self) -> Tensor | None:
        """Embeddings of the contrast words, (R, D), None where there are none."""
        return self.embeddings[self.row_class == self.num_classes] if self.contrast else None

    def set_bank(self, bank: TextBank, words: Tensor | None = None) -> None:
        """Set the embeddings from a text bank.

        Args:
            bank: Embeddings (R, D) for K classes, R >= K.
            words: Embeddings of contrast words, (R', D), where they are expected.

        Raises:
            InputError: If the bank has another number of classes, or the
                contrast words are missing.
        """
        if len(bank.class_names) != self.num_classes:
            raise InputError(
                f'the text bank holds {len(bank.class_names)} classes, the head has '
                f'num_classes={self.num_classes}: set num_classes to the number of classes in '
                'the vocabulary, or give the bank of that vocabulary.')
        if not torch.isfinite(bank.embeddings).all():
            raise InputError('the text bank holds NaN or infinity: the CLIP file it was '
                             'made from is damaged.')
        if self.contrast != (words is not None):
            raise InputError('the contrast words of Background need text embeddings: give '
                             'set_text_bank their bank as words, and none without such words.')
        embeddings, row_class = bank.embeddings.to(self.embeddings), bank.row_class
        if words is not None:
            embeddings = torch.cat([embeddings, words.to(embeddings)])
            row_class = torch.cat([row_class, row_class.new_full((len(words),), self.num_classes)])
        self._fill(embeddings, row_class)

    def _fill(self, embeddings: Tensor, row_class: Tensor) -> None:
        self.embeddings = embeddings
        self.row_class = row_class.to(embeddings.device)
        plain = torch.arange(self.num_classes + self.contrast)
        # With one row a class there is nothing to pool.
        self.synonyms = not torch.equal(row_class.cpu(), plain)

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> TextClassifier:
        """Moves, but stays in single precision: see ``ops.precision``."""
        kept = self.embeddings
        super()._apply(fn, *args, **kwargs)
        if self.embeddings.dtype in (torch.float16, torch.bfloat16):
            self.embeddings = kept.to(self.embeddings.device)
        return self

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Accept as many rows as the checkpoint has."""
        embeddings = state_dict.get(f'{prefix}embeddings')
        if embeddings is not None:
            row_class = state_dict.get(f'{prefix}row_class')
            if (row_class is None or not len(row_class)
                    or int(row_class.max()) + 1 != self.num_classes + self.contrast):
                raise InputError(f'the checkpoint was made for another number of classes '
                                 f'than num_classes={self.num_classes}, or with other contrast '
                                 'words.')
            # Makes room: torch refuses a buffer of another shape.
            self._fill(torch.empty_like(embeddings, device=self.embeddings.device), row_class)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, features: Tensor, normalise: bool = True) -> Tensor:
        """Scores of patch features.

        Args:
            features: (B, D, h, w), any norm.
            normalise: Cosines; without it plain dot products.

        Returns:
            (B, K, h, w).

        Raises:
            InputError: If no text embeddings were loaded, or of another width.
        """
        scores = self.query_scores(features, normalise)
        if self.synonyms:
            scores = pool_rows(scores, self.row_class, self.num_classes + self.contrast)
        return scores[:, :self.num_classes] if self.contrast else scores

    def query_scores(self, features: Tensor, normalise: bool = True) -> Tensor:
        """Scores of patch features with each row of the text embeddings.

        Args:
            features: (B, D, h, w), any norm.
            normalise: Cosines; without it plain dot products.

        Returns:
            (B, R, h, w), contrast words included.

        Raises:
            InputError: As :meth:`forward`.
        """
        if self.embeddings.shape[0] == 0:
            raise InputError('the head has no text embeddings yet: load a CLIP checkpoint '
                             'with mmseg_maskclip.load_weights, or set a text bank.')
        return score_patches(features, self.embeddings, normalise)
