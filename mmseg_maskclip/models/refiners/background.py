"""A background for what is none of the classes: thresholds and contrast words."""

from __future__ import annotations

import numbers
from typing import Sequence, Union

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models.refiners.queries import QueryClasses
from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.ops import BackgroundRule
from mmseg_maskclip.utils import InputError, require_number

NONE = 'none'
_WORD = 'background'
Label = Union[int, str, None]


def says_background(name: str) -> bool:
    """Whether a class is the background by its name.

    Args:
        name: Name of the class.
    """
    return _WORD in name.lower()


@REFINERS.register_module()
class Background:
    """Class probabilities in which names compete, and a background that takes pixels (SCLIP).

    The probability of a class is the highest one among its queries, of a softmax over all
    queries. Classes with a small area are removed, then unsure pixels fall to the background.

    Args:
        scale: Inverse temperature of the softmax.
        prob_thd: Pixels whose best probability is below it fall to the background; 0 is off.
        area_thd: Classes are removed whose share of the foreground does not exceed it; 0 is off.
        label: Id of the class that is the background; ``'none'``: there is no
            such class, and its pixels get 255; None: not declared.
        words: Contrast words, which the data set does not have: a list, or what
            else :func:`~mmseg_maskclip.clip.load_vocabulary` takes. Pixels that
            one of them wins belong to the background, 255 where none is declared.

    Raises:
        InputError: If a value is of another kind or out of range, or there is a
            threshold without a declared background.
    """

    def __init__(self, scale: float = 40.0, prob_thd: float = 0.0, area_thd: float = 0.0,
                 label: Label = None, words: str | Sequence[str] | None = None) -> None:
        require_number(scale, 'scale', above=0)
        for name, value in (('prob_thd', prob_thd), ('area_thd', area_thd)):
            require_number(value, name, minimum=0, maximum=1, hint='0 is off')
        if label not in (None, NONE):
            require_number(label, 'label', minimum=0, whole=True,
                           hint="or 'none' where no class is the background")
        if (prob_thd > 0 or area_thd > 0) and label is None:
            raise InputError('prob_thd and area_thd give pixels to the background, and none is '
                             'declared: set label to the id of the class that is the background '
                             "(0 in VOC 21), or label='none', and such pixels get 255.")
        if words is not None and not isinstance(words, (str, list, tuple)):
            raise InputError(f'words is {words!r}, expected a list of names or a text file.')
        self.scale, self.prob_thd, self.area_thd = scale, prob_thd, area_thd
        self.label = label
        self.words = words or None

    @property
    def class_id(self) -> int | None:
        """The class that is the background, None where there is none."""
        return int(self.label) if isinstance(self.label, numbers.Integral) else None

    def check(self, num_classes: int) -> None:
        """Refuse a background that a head does not have.

        Args:
            num_classes: K.

        Raises:
            InputError: If the declared class has no such id, or there are so
                many classes that 255 is one of them.
        """
        if self.class_id is not None and self.class_id >= num_classes:
            raise InputError(f'Background has label={self.label}, expected 0 to {num_classes - 1} '
                             f"for {num_classes} classes, or 'none'.")
        if num_classes > 255 and self.class_id is None and (self.label == NONE or self.words):
            raise InputError(f'Background gives pixels of no class 255, which is one of '
                             f'{num_classes} classes: set its label to the id of a class.')

    def among(self, bank: TextBank, label: Label = None) -> Label:
        """The background among other classes.

        Args:
            bank: The text embeddings of these classes.
            label: As in the constructor; None keeps the own one.

        Raises:
            InputError: If that is none of the classes, or the own one has
                another name than a background.
        """
        wanted = Background(self.scale, self.prob_thd, self.area_thd,
                            self.label if label is None else label, self.words)
        wanted.check(len(bank.class_names))
        if label is None and wanted.class_id is not None:
            name = bank.class_names[wanted.class_id]
            if not says_background(name):
                raise InputError(f'class {wanted.class_id} is the background, and {name!r} among '
                                 "the new classes: give replace_classes background='none', or the "
                                 'id of their background.')
        return wanted.label

    def rule(self, queries: QueryClasses) -> BackgroundRule:
        """The thresholds for the classes that compete."""
        return BackgroundRule(queries.width, queries.background, queries.spared, self.prob_thd,
                              self.area_thd)
