"""Tells a segmentor where in training it is."""

from __future__ import annotations

from typing import Any

from mmcv.runner import HOOKS, Hook


@HOOKS.register_module()
class IterationHook(Hook):
    """Tells the segmentor which training iteration runs, counted from 1.

    The stages follow the runner, which a resumed run restores and which no
    evaluation moves.
    """

    def before_train_iter(self, runner: Any) -> None:
        """Called by the runner."""
        model = runner.model.module if hasattr(runner.model, 'module') else runner.model
        model.iteration = runner.iter + 1
