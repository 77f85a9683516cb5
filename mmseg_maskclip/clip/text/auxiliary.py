"""Sentences about the classes, mixed into their text embeddings (ITACLIP, Sec. 3.4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable, Mapping, Union

import torch
from torch import Tensor

from mmseg_maskclip.clip.text.bank import TextBank
from mmseg_maskclip.utils import InputError, read_lines, require_number

Texts = Union[str, Path, Mapping[str, str]]
WHAT = 'decode_head.auxiliary'


def check_auxiliary(auxiliary: Mapping | None) -> None:
    """Refuse settings that are not ``dict(texts=..., weight=...)``.

    Args:
        auxiliary: Of a head; None for none.

    Raises:
        InputError: If a key or a value is another.
    """
    if auxiliary is None:
        return
    if not isinstance(auxiliary, Mapping) or set(auxiliary) != {'texts', 'weight'}:
        raise InputError(f"{WHAT} is {auxiliary!r}, expected dict(texts={{'cat': 'a small animal "
                         "that purrs'}, weight=0.05).")
    require_number(auxiliary['weight'], f'{WHAT}.weight', minimum=0, maximum=1)


def read_auxiliary(texts: Texts) -> dict[str, str]:
    """The sentence of each class that has one.

    Args:
        texts: By class name; or a text file with ``class name: sentence`` in each line.

    Raises:
        InputError: If the file is missing, or a line is of another form.
    """
    if isinstance(texts, Mapping):
        found = dict(texts)
    else:
        found = {}
        for number, line in enumerate(read_lines(texts, 'file of auxiliary texts'), 1):
            name, colon, text = line.partition(':')
            if not colon:
                raise InputError(f"line {number} of {texts} is {line!r}, expected 'class name: "
                                 "sentence'.")
            found[name.strip()] = text.strip()
    if not found or not all(isinstance(text, str) and text.strip() for text in found.values()):
        raise InputError(f'{WHAT}.texts is {texts!r}, expected a sentence for each class it names.')
    return found


def mix_auxiliary(bank: TextBank, auxiliary: Mapping,
                  encode: Callable[[list[list[str]]], TextBank]) -> TextBank:
    """Text embeddings with those of sentences mixed in: (1 - weight) t + weight a.

    The rows of a class all get its sentence, and are not L2-normalised again, as published;
    classes without a sentence keep their rows.

    Args:
        bank: Of the classes.
        auxiliary: ``texts``, see :func:`read_auxiliary`, and ``weight``.
        encode: Makes the bank of sentences, one row each.

    Returns:
        A bank of the same rows.

    Raises:
        InputError: If a sentence is about none of the classes.
    """
    texts = read_auxiliary(auxiliary['texts'])
    classes = {name.lower(): index for index, name in enumerate(bank.class_names)}
    unknown = [name for name in texts if name.lower() not in classes]
    if unknown:
        raise InputError(f'{WHAT}.texts has a sentence about {unknown[0]!r}, which is none of the '
                         f'classes {", ".join(map(repr, bank.class_names[:3]))}, ...')
    # In a list of its own, a sentence may hold what else separates synonyms.
    sentences = list(dict.fromkeys(texts.values()))
    rows = encode([[sentence] for sentence in sentences]).embeddings
    mixed = bank.embeddings.clone()
    for name, sentence in texts.items():
        of_class = bank.row_class == classes[name.lower()]
        mixed[of_class] = _lerp(mixed[of_class], rows[sentences.index(sentence)],
                                auxiliary['weight'])
    return replace(bank, embeddings=mixed, normalized=False)


def _lerp(own: Tensor, other: Tensor, weight: float) -> Tensor:
    return torch.lerp(own, other.to(own).expand_as(own), weight)
