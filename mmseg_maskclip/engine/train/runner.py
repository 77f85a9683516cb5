"""mmcv's runner by iterations, with exact resuming, accumulation and mixed precision."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any, ContextManager, Mapping

import mmcv
from mmcv.runner import IterBasedRunner

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.distributed import device_of_process
from mmseg_maskclip.engine.train.checkpoint import link_latest, write_checkpoint
from mmseg_maskclip.engine.train.parallel import unwrap
from mmseg_maskclip.models.unregistered import needed_state
from mmseg_maskclip.models.weights.averages import split_averages
from mmseg_maskclip.models.weights.state_dict import load_exactly
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.utils import InputError, to_plain


class TrainRunner(IterBasedRunner):
    """One iteration is one step of the optimizer.

    A resumed run continues with the iteration after the one the checkpoint was
    written at.

    Args:
        args: As in mmcv's ``IterBasedRunner``.
        accumulation: Batches whose gradients make one step.
        amp: ``'fp16'``, ``'bf16'`` or None for single precision.
        checkpoint_meta: Entries of every checkpoint's ``meta``, e.g. config and
            classes.
        full_checkpoints: Whether checkpoints hold the frozen modules, too, that a test
            forward runs through.
        kwargs: As in mmcv's ``IterBasedRunner``.
    """

    def __init__(self, *args: Any, accumulation: int = 1, amp: str | None = None,
                 checkpoint_meta: Mapping[str, Any] | None = None,
                 full_checkpoints: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.full_checkpoints = full_checkpoints
        self.accumulation = accumulation
        self.amp = amp
        self.checkpoint_meta = dict(checkpoint_meta or {})
        self.stateful: dict[str, Any] = {}
        self._restored: dict[str, Any] = {}
        self._averages: dict[str, Any] = {}
        self.stepper: Any = None
        self._logged: tuple[str, ...] = ()
        self._stepped = False

    def keep(self, name: str, item: Any) -> None:
        """Make something part of checkpoints, and restore it in a resumed run.

        Args:
            name: Its name in the checkpoint.
            item: With ``state_dict`` and ``load_state_dict``.
        """
        self.stateful[name] = item
        if self._restored.get(name):
            item.load_state_dict(self._restored[name])

    def call_hook(self, fn_name: str) -> None:
        """Let every hook do its part.

        Args:
            fn_name: The hooks' method.

        Raises:
            InputError: If one can't begin with what the config gives it.
        """
        border = (from_config('a hook', 'fails before the first step')
                  if fn_name == 'before_run' else contextlib.nullcontext())
        with border:
            super().call_hook(fn_name)
        if fn_name == 'before_run' and self._averages:
            self._restore_averages()

    def _restore_averages(self) -> None:
        """Only now has EMAHook made the buffers that its averages go to."""
        buffers = dict(unwrap(self.model).named_buffers())
        kept = {name: value for name, value in self._averages.items() if name in buffers}
        for name, value in kept.items():
            buffers[name].copy_(value)
        if len(kept) < len(self._averages):
            self.logger.warning(
                f'The checkpoint holds {len(self._averages)} moving averages of EMAHook, '
                f'{len(self._averages) - len(kept)} of which this run does not keep: they are '
                'left out.')
        self._averages = {}

    def train(self, data_loader: Any, **kwargs: Any) -> None:
        """One iteration; in the first one settings show their faults that no check knows.

        Args:
            data_loader: mmcv's ``IterLoader`` over the training batches.
            kwargs: For the model's ``train_step``.

        Raises:
            InputError: If the loss is NaN or infinite, or the first step fails.
        """
        border = (contextlib.nullcontext() if self._stepped
                  else from_config('the first training step', 'fails with this config'))
        with border:
            self._iterate(data_loader, **kwargs)
        self._stepped = True

    def _iterate(self, data_loader: Any, **kwargs: Any) -> None:
        self.model.train()
        self.mode = 'train'
        self.data_loader = data_loader
        batches = [next(data_loader) for _ in range(self.accumulation)]
        # mmcv counts an epoch when its loader ends, which this one does not.
        self._epoch = self.iter * self.accumulation // len(data_loader)
        self.data_batch = batches[-1]
        self.call_hook('before_train_iter')
        parts = []
        for batch in batches[:-1]:
            with self._unsynced():
                outputs = self._step(batch, kwargs)
                self.stepper.backward(self, outputs['loss'])
            parts.append(outputs)
        self.outputs = self._step(batches[-1], kwargs)
        # Before the optimizer's step, which a loss of NaN must not reach.
        self._log([*parts, self.outputs])
        self.call_hook('after_train_iter')
        del self.data_batch
        self._inner_iter += 1
        self._iter += 1

    def _step(self, batch: dict, kwargs: dict) -> dict:
        with running_in(self.amp or 'fp32', device_of_process()):
            return self.model.train_step(batch, self.optimizer, **kwargs)

    def _unsynced(self) -> ContextManager:
        """Processes exchange gradients with the last batch of a step only."""
        return getattr(self.model, 'no_sync', contextlib.nullcontext)()

    def _log(self, parts: list[dict]) -> None:
        """Log the mean over the batches of a step, and check that the loss is finite."""
        names = parts[0].get('log_vars', {})
        means = {name: sum(part['log_vars'][name] for part in parts) / len(parts)
                 for name in names}
        self._forget({*self._logged} - {*means})
        self._logged = tuple(means)
        self.log_buffer.update(means, sum(part['num_samples'] for part in parts))
        if not math.isfinite(means.get('loss', 0.0)):
            raise InputError(
                f'the loss is {means["loss"]} at iteration {self.iter + 1}: lower optimizer.lr '
                'or set optimizer_config.grad_clip.max_norm with --cfg-options; checkpoints '
                'written before are kept.')

    def _forget(self, names: set[str]) -> None:
        """Drop values that steps no longer log: mmcv would keep averaging the last ones."""
        for name in names:
            for kept in (self.log_buffer.val_history, self.log_buffer.n_history):
                kept.pop(name, None)

    def save_checkpoint(self, out_dir: str, filename_tmpl: str = 'iter_{}.pth',
                        meta: dict | None = None, save_optimizer: bool = True,
                        create_symlink: bool = True) -> None:
        """Write a checkpoint of the student and all that resuming needs.

        Args:
            out_dir: The folder.
            filename_tmpl: With ``{}`` for the iteration.
            meta: Further entries of ``meta``.
            save_optimizer: Whether a run can be resumed from it.
            create_symlink: Let ``latest.pth`` point to it.
        """
        # mmcv would also write buffers that are declared as rebuildable.
        # Hooks run before the iteration is counted, hence + 1. mmcv adds it to the file's name
        # alone, so that its resumed runs repeat an iteration.
        model = unwrap(self.model)
        state = model.state_dict()
        if self.full_checkpoints:
            state.update(needed_state(model))
        content = {
            'meta': to_plain({**self.checkpoint_meta, **(self.meta or {}), **(meta or {}),
                              'mmcv_version': mmcv.__version__, 'epoch': self.epoch + 1,
                              'iter': self.iter + 1}),
            'state_dict': {key: value.cpu() for key, value in state.items()}}
        if save_optimizer:
            content['optimizer'] = self.optimizer.state_dict()
            content['stateful'] = {name: item.state_dict()
                                   for name, item in self.stateful.items()}
        path = Path(out_dir) / filename_tmpl.format(self.iter + 1)
        write_checkpoint(path, content)
        if create_symlink:
            link_latest(path)

    def restore(self, content: Mapping[str, Any], path: str | Path) -> None:
        """Continue from a checkpoint.

        Args:
            content: Output of :func:`read_checkpoint`.
            path: Its file.

        Raises:
            InputError: If it is of another model, or was written without its
                optimizer.
        """
        if 'optimizer' not in content:
            raise InputError(f'{path} was written without the optimizer and cannot be resumed: '
                             'start a new run from its weights with --load-from.')
        model = unwrap(self.model)
        state, self._averages = split_averages(content['state_dict'])
        # What is frozen has come from its own file already.
        frozen = needed_state(model)
        state = {key: value for key, value in state.items() if key not in frozen}
        load_exactly(model, state, path,
                     'Resume with the config it was made with, or start a new run from its '
                     'weights with --load-from.')
        try:
            self.optimizer.load_state_dict(content['optimizer'])
        except (ValueError, KeyError) as error:
            raise InputError(f'{path} was written with another optimizer: {error}') from error
        self._restored = dict(content.get('stateful', {}))
        for name, item in list(self.stateful.items()):
            self.keep(name, item)
        self._iter = self._inner_iter = content['meta']['iter']
        self._epoch = content['meta']['epoch'] - 1
        self.meta.setdefault('hook_msgs', {}).update(content['meta'].get('hook_msgs', {}))
        self.logger.info(f'Resumed from {path}, written at iteration {self.iter}.')
