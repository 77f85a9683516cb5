"""Random text embeddings, where only their number and width count."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mmseg_maskclip.clip import TextBank, load_vocabulary
from mmseg_maskclip.models.decode_heads.text_head import TextHead


def random_bank(num_classes: int, width: int) -> TextBank:
    """A bank of random unit rows.

    Args:
        num_classes: K, one row each.
        width: D.
    """
    return _bank([1] * num_classes, width)


def _bank(rows: list[int], width: int) -> TextBank:
    """Random unit rows, so many for each class."""
    counts = torch.tensor(rows)
    embeddings = F.normalize(torch.randn(int(counts.sum()), width), dim=1)
    return TextBank(embeddings, tuple(f'class {index}' for index in range(len(rows))),
                    torch.arange(len(rows)).repeat_interleave(counts))


def set_random_text(model: nn.Module) -> None:
    """Give a model random text embeddings of as many rows as its config asks for.

    Models that classify without text are left as they are.

    Args:
        model: A segmentor.

    Raises:
        InputError: If a vocabulary is unknown, or of another number of classes than the head.
    """
    head = getattr(model, 'decode_head', None)
    if isinstance(head, TextHead):
        words = head.contrast_words
        head.set_text_bank(
            _bank(_rows(head, head.vocabulary, head.text.num_classes), head.text_channels),
            None if words is None else _bank(
                _rows(head, words, len(load_vocabulary(words).entries)), head.text_channels))
    weight = getattr(model, 'class_weight', None)
    if weight is not None:
        found = weight.classifier
        found.set_text(random_bank(found.num_classes, found.spec.embed_dim))


def _rows(head: TextHead, vocabulary: object, num_classes: int) -> list[int]:
    """Rows of each class: one, or one for each of its synonyms."""
    if head.synonyms != 'separate' or vocabulary is None:
        return [1] * num_classes
    return [len(names) for names in load_vocabulary(vocabulary).entries]
