"""Pure tensor functions: the formulas of the methods, one each."""

from mmseg_maskclip.ops.positions import resize_positions
from mmseg_maskclip.ops.refine import denoise_prompts, smooth_keys
from mmseg_maskclip.ops.resize import AxisResize, ScoreMap, compose_resize, label_map
from mmseg_maskclip.ops.scores import pool_rows, score_patches

__all__ = ['AxisResize', 'ScoreMap', 'compose_resize', 'denoise_prompts',
           'label_map', 'pool_rows', 'resize_positions', 'score_patches',
           'smooth_keys']
