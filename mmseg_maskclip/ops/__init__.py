"""Pure tensor functions: the formulas of the methods, one each."""

from mmseg_maskclip.ops.distillation import feature_distance
from mmseg_maskclip.ops.positions import resize_positions
from mmseg_maskclip.ops.pseudo_labels import IGNORED, UNLABELLED, fill_unlabelled, ignore_unlabelled
from mmseg_maskclip.ops.refine import denoise_prompts, smooth_keys
from mmseg_maskclip.ops.resize import AxisResize, ScoreMap, best_classes, compose_resize, label_map
from mmseg_maskclip.ops.scores import pool_rows, score_patches

__all__ = ['IGNORED', 'UNLABELLED', 'AxisResize', 'ScoreMap', 'best_classes', 'compose_resize',
           'denoise_prompts', 'feature_distance', 'fill_unlabelled', 'ignore_unlabelled',
           'label_map', 'pool_rows', 'resize_positions', 'score_patches', 'smooth_keys']
