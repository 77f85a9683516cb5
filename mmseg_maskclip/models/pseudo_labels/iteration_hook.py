"""Passes the training iteration to the segmentor."""

from __future__ import annotations

from typing import Any

from mmcv.runner import HOOKS, Hook


@HOOKS.register_module()
class IterationHook(Hook):
    """Sets the segmentor's ``iteration``, counted from 1.

    Stages depend on the runner's iteration, which resuming restores and
    evaluation does not advance.
    """

    def before_train_iter(self, runner: Any) -> None:
        """Called by the runner."""
        model = runner.model.module if hasattr(runner.model, 'module') else runner.model
        model.iteration = runner.iter + 1
