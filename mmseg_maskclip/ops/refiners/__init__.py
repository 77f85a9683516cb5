"""What is done to scores and labels after the scores: the formulas of the refiners."""

from mmseg_maskclip.ops.refiners.background import (
    BackgroundRule,
    background_labels,
    background_probabilities,
)
from mmseg_maskclip.ops.refiners.closing import close_labels
from mmseg_maskclip.ops.refiners.dense_crf import dense_crf
from mmseg_maskclip.ops.refiners.maskclip import (
    LOGIT_SCALE,
    SUPPRESSED,
    absent_classes,
    denoise_prompts,
    smooth_keys,
)
from mmseg_maskclip.ops.refiners.pamr import pamr

__all__ = [
    'LOGIT_SCALE',
    'SUPPRESSED',
    'BackgroundRule',
    'absent_classes',
    'background_labels',
    'background_probabilities',
    'close_labels',
    'denoise_prompts',
    'dense_crf',
    'pamr',
    'smooth_keys',
]
