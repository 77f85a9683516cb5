"""Seen, unseen and harmonic figures from pixel counts: tensors in, figures and tables out."""

from mmseg_maskclip.evaluation.areas import count_areas, sum_areas
from mmseg_maskclip.evaluation.metrics import (
    METRICS,
    Figures,
    check_metrics,
    harmonic_mean,
    segmentation_figures,
)
from mmseg_maskclip.evaluation.tables import class_table, percent, summary_table

__all__ = ['METRICS', 'Figures', 'check_metrics', 'class_table', 'count_areas', 'harmonic_mean',
           'percent', 'segmentation_figures', 'sum_areas', 'summary_table']
