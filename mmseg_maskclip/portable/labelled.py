"""The words of a picture's pixels, and what is read of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol

import numpy as np

from mmseg_maskclip.utils import InputError, require_number


@dataclass(frozen=True)
class Labelled:
    """The words of a picture's pixels.

    Attributes:
        labels: Index of each pixel's word, (H, W) uint8 or uint16; NONE where
            the contrast set wins.
        confidence: Probability of the best word there, among words and
            contrast set, (H, W) float32; also where the contrast set wins.
    """

    labels: np.ndarray
    confidence: np.ndarray


class Readable(Protocol):
    """A picture's scores, from which more than its labels can be read."""

    def probabilities(self) -> np.ndarray:
        """Probability of each word, (K, H, W) float32; all of them are held."""

    def alone(self, threshold: float) -> np.ndarray:
        """Where each word alone beats the contrast set, (K, H, W) bool.

        Args:
            threshold: The least probability of a word among itself and the contrast set.
        """


class Again:
    """Reads a picture again, in the process that has its model; copies share it.

    Args:
        read: What it calls.
    """

    def __init__(self, read: Callable[[], Readable]) -> None:
        self._read = read

    def __call__(self) -> Readable:
        return self._read()

    def __deepcopy__(self, memo: dict) -> Again:
        return self

    def __reduce__(self) -> tuple:
        return Again, (_read_nothing,)


def _read_nothing() -> Readable:
    raise InputError('this result was loaded from a pickle, which holds labels but no model: '
                     'predict again for scores and masks.')


def require_threshold(threshold: float) -> float:
    """A confidence below which a pixel is none of the words.

    Args:
        threshold: What a user gave.

    Raises:
        InputError: If it is outside [0, 1].
    """
    return require_number(threshold, 'threshold', minimum=0, maximum=1, hint='0 is off')
