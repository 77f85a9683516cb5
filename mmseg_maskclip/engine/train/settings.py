"""What a training config must contain, and what flags change in it."""

from __future__ import annotations

from typing import Mapping

from mmcv import Config
from mmcv.runner import get_dist_info
from mmcv.utils import print_log

from mmseg_maskclip.engine.precision import FP16_HOOK
from mmseg_maskclip.engine.train.checks.values import check_values, require_known
from mmseg_maskclip.utils import InputError, require_number

_BASE = 'Take configs/_base_/schedules/ as a base.'


def check_settings(config: Config, amp: str | None) -> None:
    """Refuse what can't be trained, before anything is loaded.

    Args:
        config: A training config.
        amp: ``'fp16'``, ``'bf16'`` or None, as :func:`choose_precision` chose.

    Raises:
        InputError: If a part is missing or of another kind.
    """
    for key in ('optimizer', 'lr_config', 'runner'):
        if not config.get(key):
            raise InputError(f"the config has no '{key}', which training needs. {_BASE}")
    if 'train' not in config.data:
        raise InputError("the config has no 'data.train'.")
    runner = config.runner
    if not isinstance(runner, Mapping) or runner.get('type') != 'IterBasedRunner':
        raise InputError(f'runner is {runner}, expected '
                         "dict(type='IterBasedRunner', max_iters=N): stages and "
                         'resuming count iterations.')
    require_number(runner.get('max_iters'), 'runner.max_iters', minimum=1, whole=True)
    require_known(runner, 'runner', ('type', 'max_iters'))
    workflow = config.get('workflow', [('train', 1)])
    if [*map(list, workflow)] != [['train', 1]]:
        raise InputError(f"workflow is {workflow}, expected [('train', 1)]; validation is "
                         "set by 'evaluation'.")
    for key, value in (('data.samples_per_gpu', config.data.get('samples_per_gpu')),
                       ('accumulative_counts', accumulation_of(config))):
        require_number(value, key, minimum=1, whole=True)
    check_values(config)
    _check_step(config, amp)


def _check_step(config: Config, amp: str | None) -> None:
    kind = (config.get('optimizer_config') or {}).get('type', 'OptimizerHook')
    if kind in ('OptimizerHook', FP16_HOOK):
        return
    if 'Cumulative' in kind:
        raise InputError(f"optimizer_config.type is {kind}: leave it out and use "
                         "'accumulative_counts' of the config for accumulation, --amp or "
                         'fp16=dict(loss_scale=512.) for mixed precision.')
    if amp or accumulation_of(config) != 1:
        raise InputError(f'optimizer_config.type is {kind}, which --amp and accumulative_counts '
                         'do not work with.')


def accumulation_of(config: Config) -> int:
    """Batches whose gradients make one step of the optimizer."""
    return config.get('accumulative_counts', 1)


def settle_batch(config: Config, auto_scale: bool) -> int:
    """Compare the total batch with the one the learning rate was chosen for.

    Args:
        config: With ``total_batch_size``, the batch its ``optimizer.lr``
            assumes; ``optimizer.lr`` is changed where ``auto_scale``.
        auto_scale: Scale the learning rate linearly, and nothing else.

    Returns:
        Images in one step of this run, over all processes.

    Raises:
        InputError: If ``auto_scale`` and there is nothing to scale by.
    """
    per_process, processes = config.data.samples_per_gpu, get_dist_info()[1]
    accumulation = accumulation_of(config)
    total = per_process * processes * accumulation
    assumed = config.get('total_batch_size')
    if assumed is None or 'lr' not in config.optimizer:
        if auto_scale:
            raise InputError('--auto-scale-lr needs total_batch_size and optimizer.lr in the '
                             'config: the batch, and the learning rate chosen for it.')
        return total
    require_number(assumed, 'total_batch_size', minimum=1, whole=True)
    if total == assumed:
        return total
    given, scaled = config.optimizer.lr, config.optimizer.lr * total / assumed
    count = (f'{total} images a step ({per_process} x {processes} processes x {accumulation} '
             f'accumulated) where the config assumes {assumed}')
    if auto_scale:
        config.optimizer.lr = scaled
        print_log(f'{count}: learning rate {given:g} becomes {scaled:g}.', 'mmseg')
    else:
        print_log(f'{count}: learning rate {given:g} is kept; --auto-scale-lr would make it '
                  f'{scaled:g}, accumulative_counts a larger batch.', 'mmseg', level=30)
    return total
