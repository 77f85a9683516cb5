"""Self-training from a moving average of the student."""

from __future__ import annotations

import copy

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor, nn

from mmseg_maskclip.engine.train.parallel import unwrap
from mmseg_maskclip.engine.train.runner import TrainRunner
from mmseg_maskclip.models.pseudo_labels.pseudo_labelled import PseudoLabelled
from mmseg_maskclip.models.unregistered import unregistered_modules
from mmseg_maskclip.utils import InputError, require_number


class AveragedStudent(nn.Module):
    """Moving average of a segmentor's backbone and head (Mean Teacher, arXiv 1703.01780).

    Args:
        student: The segmentor.
    """

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        # Only what scores need: not the auxiliary head, the teacher or the class weight. A frozen
        # tower does not change: the average reads the student's own.
        shared = {id(module): module for module in unregistered_modules(student).values()}
        self.backbone = copy.deepcopy(student.backbone, shared)
        self.decode_head = copy.deepcopy(student.decode_head, shared)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self, student: nn.Module, momentum: float) -> None:
        """Take a step towards the student.

        Args:
            student: The segmentor.
            momentum: Share of the average that is kept.
        """
        current = student.state_dict()
        for name, value in self.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - momentum)
            else:
                # Counters, such as BatchNorm's number of batches.
                value.copy_(current[name])

    @torch.no_grad()
    def forward(self, img: Tensor) -> Tensor:
        """Class scores, (B, K, h, w).

        Args:
            img: (B, 3, H, W).
        """
        return self.decode_head(self.backbone(img))


@HOOKS.register_module()
class EmaLabellerHook(Hook):
    """Uses a moving average of the student for the pseudo-labels of self-training.

    The average is in evaluation mode, in no optimizer, and in checkpoints
    only as what resuming needs. Off unless named in ``custom_hooks``.

    With several processes the student needs SyncBN, or a norm that does not
    depend on the batch: plain BN has other statistics in every process, and a
    checkpoint only those of the first.

    Args:
        momentum: Share of the average that is kept in a step; less at the
            start of training, so that it does not lag.

    Raises:
        InputError: If ``momentum`` is not in [0, 1).
    """

    def __init__(self, momentum: float = 0.999) -> None:
        require_number(momentum, 'momentum of EmaLabellerHook', minimum=0, below=1)
        self.momentum = momentum

    def before_run(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        model = unwrap(runner.model)
        if not isinstance(model, PseudoLabelled):
            raise InputError('EmaLabellerHook needs a MaskClipPlus or a ZegClip, '
                             f'{type(model).__name__} does not train on its own labels.')
        self.average = AveragedStudent(model)
        # In checkpoints beside the student, and restored in a resumed run.
        runner.keep('ema', self.average)
        model.set_unregistered('self_labeller', self.average)

    def before_train_iter(self, runner: TrainRunner) -> None:
        """Called by the runner: update the average by the student's last step."""
        momentum = min(self.momentum, (1 + runner.iter) / (10 + runner.iter))
        self.average.follow(unwrap(runner.model), momentum)
