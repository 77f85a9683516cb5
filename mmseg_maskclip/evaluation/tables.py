"""Metrics as text tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prettytable import PrettyTable

from mmseg_maskclip.evaluation.metrics import SegmentationMetrics

ABSENT = 'absent'
UNDEFINED = '-'
_ALIASES = ('pAcc',)


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals, '-' if undefined."""
    return UNDEFINED if math.isnan(value) else f'{100 * value:.2f}'


def class_table(metrics: SegmentationMetrics, class_names: Sequence[str]) -> str:
    """One row per class, in percent.

    A class absent from the ground truth says so; '-' is a metric that is
    undefined, such as the precision of a class that was never predicted.

    Args:
        metrics: The results.
        class_names: Names of the K classes.
    """
    table = PrettyTable()
    table.add_column('Class', list(class_names), align='l')
    if metrics.unseen_ids:
        table.add_column('Split', ['unseen' if index in metrics.unseen_ids else 'seen'
                                   for index in range(len(class_names))], align='l')
    for name, values in metrics.per_class.items():
        cells = [percent(value) if present else ABSENT
                 for value, present in zip(values.tolist(), metrics.present.tolist())]
        table.add_column(name, cells, align='r')
    return table.get_string()


def summary_table(metrics: SegmentationMetrics) -> str:
    """One row of all means, in percent.

    Args:
        metrics: The results.
    """
    table = PrettyTable()
    for name, value in metrics.summary.items():
        if name not in _ALIASES:
            table.add_column(name, [percent(value)], align='r')
    return table.get_string()
