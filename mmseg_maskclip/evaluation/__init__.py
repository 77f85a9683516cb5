"""Metrics over all, seen and unseen classes from pixel counts, and their tables."""

from mmseg_maskclip.evaluation.areas import count_areas, sum_areas
from mmseg_maskclip.evaluation.calibration import (
    CalibrationCurve,
    OffsetCounts,
    calibration_curve,
    count_seen_wins,
)
from mmseg_maskclip.evaluation.confusion import count_confusion
from mmseg_maskclip.evaluation.metrics import (
    METRICS,
    SegmentationMetrics,
    check_metrics,
    harmonic_mean,
    segmentation_metrics,
)
from mmseg_maskclip.evaluation.rejection import (
    RejectionMetrics,
    count_confidences,
    rejection_metrics,
)
from mmseg_maskclip.evaluation.tables import class_table, percent, summary_table

__all__ = ['METRICS', 'CalibrationCurve', 'OffsetCounts', 'RejectionMetrics',
           'SegmentationMetrics', 'calibration_curve', 'check_metrics', 'class_table',
           'count_areas', 'count_confidences', 'count_confusion', 'count_seen_wins',
           'harmonic_mean', 'percent', 'rejection_metrics', 'segmentation_metrics', 'sum_areas',
           'summary_table']
