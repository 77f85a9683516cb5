"""Pseudo-labels of MaskCLIP+: which stage labels the unlabelled pixels, and from which teacher."""

from mmseg_maskclip.models.pseudo_labels.distillation import Distillation
from mmseg_maskclip.models.pseudo_labels.iteration_hook import IterationHook
from mmseg_maskclip.models.pseudo_labels.labeller import Labeller

__all__ = ['Distillation', 'IterationHook', 'Labeller']
