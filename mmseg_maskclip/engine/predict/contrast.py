"""The contrast set: words for what else may be in a picture.

A softmax over a user's words alone gives every pixel to one of them. So they
compete with a set of other words, and a pixel that one of those wins is none
of the user's.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor

from mmseg_maskclip.clip import ClipSpec, NameEncoder
from mmseg_maskclip.engine.predict.words import Words, WordSet, word_set
from mmseg_maskclip.portable.bank import DEFAULT
from mmseg_maskclip.tinyworld import CLASSES

PUBLISHED = 'background_words'
TEMPLATES = 'openai7'
NEAR = 0.9
"""Cosine above which a contrast word is taken for a synonym of a user's word."""
Contrast = Union[Words, None]


class ContrastSet(NamedTuple):
    """Contrast words that compete with some words.

    Attributes:
        names: M names.
        embeddings: Unit-norm, (M, D).
        left_out: Those that are too near to a word of the user's.
    """

    names: tuple[str, ...]
    embeddings: Tensor
    left_out: tuple[str, ...] = ()


def contrast_words(contrast: Contrast, spec: ClipSpec) -> Optional[WordSet]:
    """The words of a contrast set, None where it is off.

    Args:
        contrast: Words, ``'default'`` for the model's own, None or an empty list for none.
        spec: The CLIP model: an embedded one knows the words of its world alone.

    Raises:
        InputError: If they are of another form.
    """
    if contrast is None or (isinstance(contrast, (list, tuple, dict)) and not contrast):
        return None
    if isinstance(contrast, str) and contrast == DEFAULT:
        contrast = list(CLASSES) if spec.weights else PUBLISHED
    return word_set(contrast, TEMPLATES, 'contrast words')


def contrast_against(contrast: WordSet, words: WordSet, embeddings: Tensor,
                     encoder: NameEncoder, near: float = NEAR) -> ContrastSet:
    """The contrast words that stand for something else than the user's words.

    Args:
        contrast: Output of :func:`contrast_words`, where it is not off.
        words: The user's words.
        embeddings: Of these, unit-norm, (K, D).
        encoder: Embeds the contrast words.
        near: Contrast words whose cosine with a user's word is above it are left out.

    Raises:
        InputError: If a contrast word can't be embedded.
    """
    known = words.all_names
    found = encoder.embed(contrast.phrases)
    nearest = (found @ embeddings.T).amax(dim=1).tolist()
    kept = [index for index, (group, cosine) in enumerate(zip(contrast.phrases, nearest))
            if cosine <= near and not {phrase.name.lower() for phrase in group} & known]
    left = set(range(len(contrast.names))).difference(kept)
    return ContrastSet(_named(contrast.names, kept), found[torch.tensor(kept, dtype=torch.long)],
                       _named(contrast.names, sorted(left)))


def _named(names: Sequence[str], indices: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[index] for index in indices)
