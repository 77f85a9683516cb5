"""CLIP's tokens: from prompts to ids and back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError, require_number

if TYPE_CHECKING:
    import open_clip

CONTEXT_LENGTH = 77
"""Tokens of a prompt that OpenAI's models read, start and end included."""


@functools.cache
def _tokenizer(length: int) -> open_clip.SimpleTokenizer:
    import open_clip

    return open_clip.SimpleTokenizer(context_length=length)


def token_ids(prompts: Sequence[str], context_length: int = CONTEXT_LENGTH,
              truncate: bool = False) -> Tensor:
    """Token ids of prompts.

    Args:
        prompts: N sentences.
        context_length: Tokens that fit, start and end included.
        truncate: Cut longer prompts, the end token last, instead of refusing them.

    Returns:
        (N, context_length) int64, zeros after the end token.

    Raises:
        InputError: If a prompt is too long.
    """
    require_number(context_length, 'context_length', minimum=2, whole=True)
    # The tokenizer cuts prompts silently. With one position more a prompt that fills all others is
    # known from one that is too long.
    tokens = _tokenizer(context_length + 1)(list(prompts))
    lengths = tokens.argmax(dim=1) + 1
    over = lengths > context_length
    if over.any() and not truncate:
        prompt = list(prompts)[int(over.nonzero()[0])]
        raise InputError(f"the prompt '{prompt}' has more than the {context_length} tokens this "
                         'CLIP reads: shorten the class name.')
    # The end token has the highest id.
    ends = tokens.amax(dim=1)
    tokens = tokens[:, :context_length].clone()
    tokens[over, -1] = ends[over]
    return tokens


def longest(tokens: Tensor) -> int:
    """Tokens of the longest prompt, without the zeros behind it.

    Args:
        tokens: Of :func:`token_ids`, (N, L).
    """
    # The end token has the highest id.
    return int(tokens.argmax(dim=1).max()) + 1


def word_of(tokens: Tensor) -> str:
    """The text of some ids, (L,)."""
    return _tokenizer(CONTEXT_LENGTH).decode(torch.as_tensor(tokens).tolist()).strip()
