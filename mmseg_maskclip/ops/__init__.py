"""Pure tensor functions: the formulas of the methods, one each."""

from mmseg_maskclip.ops.class_prior import (
    GATE_COSINE,
    add_log_prior,
    class_cosines,
    gate_weights,
    multiply_scores,
    softmax_weights,
    surgery,
)
from mmseg_maskclip.ops.entities import (
    entity_matrix,
    patch_labels,
)
from mmseg_maskclip.ops.label_maps import (
    best_classes,
    best_in_groups,
    label_map,
    mean_probability,
    probability_map,
    shrink,
)
from mmseg_maskclip.ops.losses import (
    feature_distance,
    focal_dice,
)
from mmseg_maskclip.ops.neighbourhood import (
    aggregate,
    gaussian_bias,
    local_outliers,
    replace_outliers,
    similarity_attention,
)
from mmseg_maskclip.ops.positions import (
    POSITIONS,
    is_symbolic,
    position_weights,
    resize_positions,
)
from mmseg_maskclip.ops.pseudo_labels import (
    IGNORED,
    UNLABELLED,
    fill_pixels,
    fill_unlabelled,
    ignore_unlabelled,
)
from mmseg_maskclip.ops.refiners import (
    LOGIT_SCALE,
    BackgroundRule,
    background_labels,
    background_probabilities,
    close_labels,
    denoise_prompts,
    dense_crf,
    pamr,
    smooth_keys,
)
from mmseg_maskclip.ops.resize import AxisResize, compose_resize, window_resize
from mmseg_maskclip.ops.score_maps import (
    ActivatedScores,
    HeldScores,
    ScoreMap,
)
from mmseg_maskclip.ops.scores import (
    best_class,
    class_softmax,
    pool_queries,
    pool_rows,
    score_patches,
)

__all__ = [
    'GATE_COSINE',
    'IGNORED',
    'LOGIT_SCALE',
    'POSITIONS',
    'UNLABELLED',
    'ActivatedScores',
    'AxisResize',
    'BackgroundRule',
    'HeldScores',
    'ScoreMap',
    'add_log_prior',
    'aggregate',
    'background_labels',
    'background_probabilities',
    'best_class',
    'best_classes',
    'best_in_groups',
    'class_cosines',
    'class_softmax',
    'close_labels',
    'compose_resize',
    'denoise_prompts',
    'dense_crf',
    'entity_matrix',
    'feature_distance',
    'fill_pixels',
    'fill_unlabelled',
    'focal_dice',
    'gate_weights',
    'gaussian_bias',
    'ignore_unlabelled',
    'is_symbolic',
    'label_map',
    'local_outliers',
    'mean_probability',
    'multiply_scores',
    'pamr',
    'patch_labels',
    'pool_queries',
    'pool_rows',
    'position_weights',
    'probability_map',
    'replace_outliers',
    'resize_positions',
    'score_patches',
    'shrink',
    'similarity_attention',
    'smooth_keys',
    'softmax_weights',
    'surgery',
    'window_resize',
]
