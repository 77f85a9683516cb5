"""Pseudo-labels of a training step: which stage gives them, and when (MaskCLIP+, Sec. 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Sequence

import torch
from torch import Tensor

from mmseg_maskclip.ops import IGNORED, UNLABELLED, fill_pixels, fill_unlabelled
from mmseg_maskclip.ops.score_maps import NO_PADDING, Padding
from mmseg_maskclip.utils import InputError, require_number

OFF = (-1, -1)
WINNERS = ('clip', 'self')


@dataclass(frozen=True)
class Window:
    """Training iterations in which a stage is active, both ends included.

    Attributes:
        start: First iteration, counted from 1; negative is never.
        end: Last iteration; negative is to the end of training.
    """

    start: int
    end: int

    @classmethod
    def of(cls, pair: Sequence[int], name: str) -> Window:
        """The window of a setting.

        Args:
            pair: (first, last).
            name: Name of the setting, for the error.

        Raises:
            InputError: If it is not a pair of whole numbers, or not in order.
        """
        whole = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(_is_whole, pair))
        if not whole:
            raise InputError(f'{name} is {pair!r}, expected two whole numbers (first, last); '
                             '(-1, -1) for never.')
        return cls(*pair)

    def __post_init__(self) -> None:
        if self.start == 0 or 0 <= self.end < self.start:
            raise InputError(f'a stage runs from iteration {self.start} to {self.end}; expected '
                             '(first, last) counted from 1, last -1 for the end of training, or '
                             '(-1, -1) for never.')

    def active(self, iteration: int) -> bool:
        """Whether the stage is active in an iteration, counted from 1."""
        return 0 < self.start <= iteration and (self.end < 0 or iteration <= self.end)

    def overlaps(self, other: Window) -> bool:
        """Whether some iteration is in both."""
        if self.start < 0 or other.start < 0:
            return False
        first, second = sorted((self, other), key=lambda window: window.start)
        return first.end < 0 or second.start <= first.end


class Labeller:
    """Pseudo-labels for the -1 pixels, from the frozen teacher or from the student itself.

    Args:
        num_classes: K of the student.
        clip_guided: (first, last) iteration of the teacher's labels.
        self_train: (first, last) iteration of the student's own labels.
        clip_classes: Class ids the teacher may assign; None for all.
        self_classes: Class ids the student may assign; None for the teacher's.
        conf_thresh: Pixels whose best teacher score is below it stay unlabelled
            and out of the loss; 0 is off.
        self_thresh: The same for the student's own score.
        overlap: Which stage labels while both are active, ``'clip'`` or
            ``'self'``; required if they overlap.

    Raises:
        InputError: On bad windows, class ids or thresholds, an overlap without
            a rule, or more classes than labels can name.
    """

    def __init__(self, num_classes: int, clip_guided: Sequence[int] = OFF,
                 self_train: Sequence[int] = OFF, clip_classes: Sequence[int] | None = None,
                 self_classes: Sequence[int] | None = None, conf_thresh: float = 0.0,
                 overlap: str | None = None, self_thresh: float = 0.0) -> None:
        self.clip_guided = Window.of(clip_guided, 'clip_guided')
        self.self_train = Window.of(self_train, 'self_train')
        self.clip_classes = class_ids(clip_classes, num_classes, 'clip_classes')
        chosen = self_classes if self_classes is not None else clip_classes
        self.self_classes = class_ids(chosen, num_classes, 'self_classes')
        self.conf_thresh = require_number(conf_thresh, 'conf_thresh')
        self.self_thresh = require_number(self_thresh, 'self_thresh')
        self.overlap = overlap
        if overlap not in (None, *WINNERS):
            raise InputError(f'overlap is {overlap!r}, expected one of {WINNERS}.')
        if overlap is None and self.clip_guided.overlaps(self.self_train):
            raise InputError(f'the stages clip_guided={tuple(clip_guided)} and '
                             f'self_train={tuple(self_train)} overlap: choose the one that labels '
                             "then, overlap='clip' or 'self', or make them disjoint.")
        if self.used and num_classes > IGNORED:
            raise InputError(f'the model has {num_classes} classes, at most {IGNORED} can be '
                             f'labelled: {IGNORED} in a label map is to be ignored.')
        stages = ((self.clip_guided, self.clip_classes), (self.self_train, self.self_classes))
        self.unlabelled_classes = tuple(sorted(
            {index for window, classes in stages if window.start > 0 for index in classes}))
        self._tables: dict = {}

    @property
    def used(self) -> bool:
        """Whether any stage is ever active."""
        return self.clip_guided.start > 0 or self.self_train.start > 0

    def stage(self, iteration: int) -> str | None:
        """The stage that labels in an iteration: ``'clip'``, ``'self'`` or None.

        Args:
            iteration: Training iteration, counted from 1.
        """
        clip, own = self.clip_guided.active(iteration), self.self_train.active(iteration)
        if clip and own:
            return self.overlap
        return 'clip' if clip else 'self' if own else None

    def take_labels(self, withheld: Collection[int]) -> None:
        """Let labels of all but some classes be given, where other images have none at all.

        Args:
            withheld: Class ids whose labels must not be seen all the same.
        """
        self.unlabelled_classes = tuple(
            index for index in self.unlabelled_classes if index in withheld)
        self._tables.clear()

    def inspect(self, labels: Tensor) -> tuple[bool, bool]:
        """Whether labels leak, and whether there is something to fill; one device sync.

        Args:
            labels: (B, H, W) int64.

        Returns:
            Whether a pixel carries the label of an unlabelled class, and
            whether a pixel is unlabelled.
        """
        forbidden = self._table('forbidden', labels.device)
        leaks = forbidden[labels.clamp(min=UNLABELLED)].any()
        # Both answers in one transfer, since each makes the CPU wait for the GPU.
        leak, empty = torch.stack([leaks, (labels == UNLABELLED).any()]).tolist()
        return leak, empty

    def fill(self, stage: str, labels: Tensor, scores: Tensor,
             padding: Padding = NO_PADDING) -> Tensor:
        """Label unlabelled pixels with the best-scoring class of a stage.

        Args:
            stage: ``'clip'`` or ``'self'``.
            labels: (B, H, W) int64.
            scores: (B, C, h, w), of ``clip_classes`` or ``self_classes``.
            padding: What a tower pads around the image and the scores cover, too.

        Returns:
            (B, H, W) int64; -1 where the score is too low.
        """
        return fill_unlabelled(labels, scores, self._table(stage, labels.device),
                               self._threshold(stage), padding)

    def _threshold(self, stage: str) -> float:
        return self.conf_thresh if stage == 'clip' else self.self_thresh

    def fill_chosen(self, stage: str, labels: Tensor, chosen: Tensor, scores: Tensor) -> Tensor:
        """Label unlabelled pixels with what a stage has chosen at their size.

        Args:
            stage: ``'clip'`` or ``'self'``.
            labels: (B, H, W) int64.
            chosen: Index among ``clip_classes`` or ``self_classes``, (B, H, W); their
                number where the pixel belongs to none of them.
            scores: Scores or probabilities of these, (B, H, W).

        Returns:
            (B, H, W) int64; -1 where the score is too low, or for none of the classes.
        """
        return fill_pixels(labels, chosen, scores, self._table(stage, labels.device),
                           self._threshold(stage))

    def _table(self, name: str, device: torch.device) -> Tensor:
        """Class ids, or the table of forbidden labels, made once per device."""
        key = (name, device)
        if key not in self._tables:
            if name == 'forbidden':
                # Ids 0 to 255 and one entry more: index -1, unlabelled, is the last one.
                table = torch.zeros(IGNORED + 2, dtype=torch.bool)
                table[list(self.unlabelled_classes)] = True
            else:
                ids = self.clip_classes if name == 'clip' else self.self_classes
                # Behind them stands what is none of them.
                table = torch.tensor((*ids, UNLABELLED))
            self._tables[key] = table.to(device)
        return self._tables[key]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def class_ids(classes: Sequence[int] | None, num_classes: int, name: str) -> tuple[int, ...]:
    """Class ids of a setting, checked.

    Args:
        classes: The ids; None is all of them.
        num_classes: K.
        name: Name of the setting, for the error.

    Raises:
        InputError: If one is not an id of a class, or stands there twice.
    """
    if classes is None:
        return tuple(range(num_classes))
    ids = tuple(classes) if isinstance(classes, (list, tuple, range)) else (classes,)
    wrong = [index for index in ids if not _is_whole(index) or not 0 <= index < num_classes]
    if wrong or not ids or len(set(ids)) != len(ids):
        raise InputError(f'{name} is {list(ids)}, expected different class ids from 0 '
                         f'to {num_classes - 1}.')
    return ids
