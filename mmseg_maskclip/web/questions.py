"""What the page asks, checked: words, contrast words, read-out, threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Union

from mmseg_maskclip.utils import InputError, require_number

#: Contrast words: the model's own set.
DEFAULT = 'default'
_MOST_WORDS = 1000
_LONGEST_WORD = 300


class FieldError(InputError):
    """Wrong input, and the field of the page that it stands in.

    Args:
        name: ``picture``, ``words``, ``contrast``, ``method`` or ``smoothing``.
        sentence: What to say there.
    """

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = name


@dataclass(frozen=True)
class ReadOut:
    """How features are read: what a predictor is loaded for.

    Attributes:
        method: A file of ``configs/heads/methods``; None is the model's own.
        smoothing: ``ks_thresh``.
    """

    method: Optional[str] = None
    smoothing: float = 0.0


@dataclass(frozen=True)
class Question:
    """What is asked of a picture.

    Attributes:
        picture: Its id.
        words: Class names; None for those of a model that has some.
        contrast: Contrast words, :data:`DEFAULT` for the model's own, None for none.
        read_out: How the features are read.
        threshold: Confidence below which a pixel has no label.
    """

    picture: str
    words: Optional[tuple[str, ...]]
    contrast: Union[tuple[str, ...], str, None]
    read_out: ReadOut
    threshold: float = 0.0


def question_of(values: Mapping[str, Any]) -> Question:
    """A question from what a browser sent.

    Args:
        values: ``picture``, ``words``, ``contrast``, ``method``, ``smoothing``, ``threshold``.

    Raises:
        FieldError: If one of them is wrong.
    """
    words, contrast = values.get('words'), values.get('contrast')
    if words is not None:
        words = _words(words, 'words')
        if not words:
            raise FieldError('words', 'no words yet: type at least one.')
    if contrast is not None and contrast != DEFAULT:
        contrast = _words(contrast, 'contrast') or None
    threshold = values.get('threshold', 0)
    require_number(threshold, 'threshold', minimum=0, maximum=1)
    return Question(str(values.get('picture')), words, contrast, _read_out(values),
                    float(threshold))


def _read_out(values: Mapping[str, Any]) -> ReadOut:
    method, smoothing = values.get('method'), values.get('smoothing', 0)
    if method is not None and not isinstance(method, str):
        raise FieldError('method', f'method is {method!r}, expected a name.')
    try:
        require_number(smoothing, 'key smoothing', minimum=0, maximum=1)
    except InputError as error:
        raise FieldError('smoothing', str(error)) from error
    return ReadOut(method or None, float(smoothing))


def _words(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise FieldError(name, f'{name} is a {type(value).__name__}, expected a list of text.')
    if len(value) > _MOST_WORDS:
        raise FieldError(name, f'{len(value)} words, expected at most {_MOST_WORDS} on this page: '
                               'use maskclip predict for more.')
    if any(len(word) > _LONGEST_WORD for word in value):
        raise FieldError(name, f'a word has more than {_LONGEST_WORD} letters: shorten it.')
    return tuple(word.strip() for word in value if word.strip())
