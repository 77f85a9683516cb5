"""Checks of a data set before it is used: the ids of its labels, and what can't be right."""

from mmseg_maskclip.datasets.checking.labels import (
    MORE,
    LabelCounts,
    parts_of,
    sample_labels,
    suspicion,
    warn_of_labels,
)
from mmseg_maskclip.datasets.checking.report import PartReport, check_part

__all__ = ['MORE', 'LabelCounts', 'PartReport', 'check_part', 'parts_of', 'sample_labels',
           'suspicion', 'warn_of_labels']
