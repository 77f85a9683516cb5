"""Figures as text tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prettytable import PrettyTable

from mmseg_maskclip.evaluation.metrics import Figures

ABSENT = 'absent'
UNDEFINED = '-'
_ALIASES = ('pAcc',)


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals, '-' if undefined."""
    return UNDEFINED if math.isnan(value) else f'{100 * value:.2f}'


def class_table(figures: Figures, class_names: Sequence[str]) -> str:
    """One row per class, in percent.

    A class absent from the ground truth says so; '-' is a figure that is
    undefined, such as the precision of a class that was never predicted.
    """
    table = PrettyTable()
    table.add_column('Class', list(class_names), align='l')
    if figures.unseen_ids:
        table.add_column('Split', ['unseen' if index in figures.unseen_ids else 'seen'
                                   for index in range(len(class_names))], align='l')
    for name, values in figures.per_class.items():
        cells = [percent(value) if present else ABSENT
                 for value, present in zip(values.tolist(), figures.present.tolist())]
        table.add_column(name, cells, align='r')
    return table.get_string()


def summary_table(figures: Figures) -> str:
    """One row of all means, in percent."""
    table = PrettyTable()
    for name, value in figures.summary.items():
        if name not in _ALIASES:
            table.add_column(name, [percent(value)], align='r')
    return table.get_string()
