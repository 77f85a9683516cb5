"""Hooks around a training step."""

from __future__ import annotations

from typing import Any

from mmcv.runner import Hook, OptimizerHook
from torch import Tensor

from mmseg_maskclip.engine.train.data import reseed
from mmseg_maskclip.engine.train.parallel import unwrap
from mmseg_maskclip.engine.train.runner import TrainRunner


class NoiseHook(Hook):
    """Seeds dropout and drop-path of a step by the seed of the run and the iteration.

    Args:
        seed: Seed of the run.
        per_process: Different noise in every process, as ``--diff-seed``.
    """

    def __init__(self, seed: int, per_process: bool = False) -> None:
        self.seed = seed
        self.per_process = per_process

    def before_train_iter(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        reseed(self.seed, runner.iter, runner.rank if self.per_process else 0)


class StepHook(OptimizerHook):
    """Backward pass and optimizer step, over all batches of an iteration.

    Args:
        scaler: The loss scaler of fp16, None without one.
        loss_scale: A scale that stays, None where it follows the gradients.
        kwargs: As in mmcv's ``OptimizerHook``, e.g. ``grad_clip``.
    """

    def __init__(self, scaler: Any = None, loss_scale: float | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scaler = scaler
        self.loss_scale = loss_scale

    def before_run(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        runner.stepper = self

    def before_train_iter(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        # Before the step, not after the backward pass: accumulated batches add to what is there.
        runner.optimizer.zero_grad()

    def backward(self, runner: TrainRunner, loss: Tensor) -> None:
        """Add the gradients of one batch.

        Args:
            runner: The runner.
            loss: Of the batch.
        """
        # The sum over the batches is then the gradient of their mean.
        loss = loss / runner.accumulation
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def after_train_iter(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        if self.detect_anomalous_params:
            self.detect_anomalous_parameters(runner.outputs['loss'], runner)
        self.backward(runner, runner.outputs['loss'])
        if self.scaler:
            # Clipping is meant for the true gradients, not for the scaled ones.
            self.scaler.unscale_(runner.optimizer)
        if self.grad_clip is not None:
            norm = self.clip_grads(runner.model.parameters())
            if norm is not None:
                runner.log_buffer.update({'grad_norm': float(norm)},
                                         runner.outputs['num_samples'])
        if self.scaler:
            # Leaves the step out where scaled gradients have overflowed.
            self.scaler.step(runner.optimizer)
            self.scaler.update(self.loss_scale)
        else:
            runner.optimizer.step()


class StageHook(Hook):
    """Logs which stage labels the unlabelled pixels, when that changes."""

    LABELLED_BY = {'clip': 'by the CLIP teacher', 'self': 'by the model itself',
                   None: 'by no stage'}

    def __init__(self) -> None:
        self.stage: str | None = 'unknown'

    def before_train_iter(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        stage = unwrap(runner.model).labeller.stage(runner.iter + 1)
        if stage != self.stage:
            runner.logger.info(f'Iteration {runner.iter + 1}: from here on unlabelled pixels '
                               f'are labelled {self.LABELLED_BY[stage]}.')
        self.stage = stage
