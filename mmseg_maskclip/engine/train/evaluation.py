"""Evaluation during training, which an interruption neither loses nor repeats."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmcv import Config
from mmcv.runner import LoggerHook, get_dist_info
from mmseg.core import DistEvalHook, EvalHook

from mmseg_maskclip.datasets.checking import warn_of_labels
from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.build import build_validation_dataset
from mmseg_maskclip.engine.class_names import check_classes
from mmseg_maskclip.engine.distributed import is_main
from mmseg_maskclip.engine.record import write_json
from mmseg_maskclip.engine.train.checks.rehearsal import check_best, rehearse_evaluation
from mmseg_maskclip.engine.train.checks.values import arguments_of, require_known, require_out_dir
from mmseg_maskclip.engine.train.data import build_val_loader
from mmseg_maskclip.engine.train.parallel import unwrap
from mmseg_maskclip.engine.train.runner import TrainRunner
from mmseg_maskclip.utils import to_plain

RECORD = 'evaluations.json'
_BEST = ('best_score', 'best_ckpt')


class RecordedEvaluation:
    """Mixin for mmseg's hooks: the metrics of all iterations in ``evaluations.json``.

    A checkpoint is written before the evaluation of the same iteration. A run
    resumed from there takes the metrics, and which checkpoint is the best,
    from the record, or evaluates now if it was interrupted before it could.
    """

    def before_run(self, runner: TrainRunner) -> None:
        """Called by the runner."""
        self._record = {}
        if runner.iter:
            self._record = {key: entry for key, entry in _read(_path(runner)).items()
                            if int(key) <= runner.iter}
        elif runner.rank == 0:
            # Of an earlier run in this folder.
            _path(runner).unlink(missing_ok=True)
        known = self._record.get(str(runner.iter), {}).get('best', {})
        runner.meta.setdefault('hook_msgs', {}).update(known)
        super().before_run(runner)

    def before_epoch(self, runner: TrainRunner) -> None:
        """Called by the runner once, when everything is ready."""
        super().before_epoch(runner)
        if not runner.iter or str(runner.iter) in self._record:
            return
        # mmcv's hook runs within an iteration, before it is counted; here it is counted already.
        runner._iter -= 1
        if self._should_evaluate(runner):
            runner.mode = 'train'
            self._do_evaluate(runner)
            if runner.log_buffer.ready:
                for hook in runner.hooks:
                    if isinstance(hook, LoggerHook):
                        hook.log(runner)
            runner.log_buffer.clear()
        runner._iter += 1

    def evaluate(self, runner: TrainRunner, results: list) -> float | None:
        """Score results as mmseg does, and record the metrics.

        Args:
            runner: The runner.
            results: Outputs of ``pre_eval`` for all images.

        Returns:
            The value that decides which checkpoint is the best.
        """
        score = super().evaluate(runner, results)
        output = runner.log_buffer.output
        # Classes that no image shows have no metric, and JSON has no NaN.
        for name in [name for name, value in output.items() if _is_nan(value)]:
            del output[name]
        metrics = {name: value for name, value in output.items() if name != 'eval_iter_num'}
        self._record[str(runner.iter + 1)] = {'metrics': to_plain(metrics), 'best': {}}
        write_json(_path(runner), self._record)
        return score

    def _save_ckpt(self, runner: TrainRunner, key_score: float) -> None:
        super()._save_ckpt(runner, key_score)
        messages = runner.meta['hook_msgs']
        self._record[str(runner.iter + 1)]['best'] = to_plain(
            {key: messages[key] for key in _BEST if key in messages})
        write_json(_path(runner), self._record)


class TrainEvalHook(RecordedEvaluation, EvalHook):
    """Evaluation by one process."""


class TrainDistEvalHook(RecordedEvaluation, DistEvalHook):
    """Evaluation by all processes."""


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _path(runner: TrainRunner) -> Path:
    return Path(runner.work_dir) / RECORD


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}


def register_evaluation(runner: TrainRunner, config: Config) -> None:
    """Evaluate on ``data.val`` as ``evaluation`` of the config sets it.

    One image goes all the way first: what fails is told before the training
    whose first checkpoint would be evaluated.

    Args:
        runner: The runner.
        config: With both.

    Raises:
        InputError: If the data or the settings are wrong.
    """
    dataset = build_validation_dataset(config)
    model = unwrap(runner.model)
    for part in getattr(dataset, 'datasets', [dataset]):
        check_classes(model, part, 'validation data')
    if is_main():
        warn_of_labels(dataset, 'data.val')
    # For every metric of segmentation greater is better; mmcv knows that of three of them.
    arguments = {'pre_eval': True, 'rule': 'greater', **config.evaluation, 'by_epoch': False}
    if arguments['rule'] is None:
        arguments['rule'] = 'greater'
    hook = TrainDistEvalHook if get_dist_info()[1] > 1 else TrainEvalHook
    require_known(arguments, 'evaluation', _arguments(dataset))
    with from_config('evaluation'):
        evaluation = hook(build_val_loader(dataset, config), **arguments)
    check_best(arguments.get('save_best'), rehearse_evaluation(model, dataset,
                                                              evaluation.eval_kwargs))
    if arguments.get('save_best'):
        require_out_dir(arguments, 'evaluation')
    # After the checkpoint hook (NORMAL) and before the loggers (VERY_LOW), as in mmseg.
    runner.register_hook(evaluation, priority='LOW')


def _arguments(dataset: Any) -> set[str]:
    """Keys of ``evaluation`` that mmcv's hooks, mmseg's, or a data set read."""
    hooks = {kind for hook in (EvalHook, DistEvalHook) for kind in hook.__mro__} - {object}
    parts = getattr(dataset, 'datasets', [dataset])
    return {name for function in [*hooks, *(part.evaluate for part in parts)]
            for name in arguments_of(function)}
