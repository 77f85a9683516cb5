"""Single values of a training config that mmcv finds wrong in the middle of a run, or never."""

from __future__ import annotations

import copy
import difflib
import inspect
import logging
from types import SimpleNamespace
from typing import Any, Iterable, Mapping

import torch
from mmcv import Config
from mmcv.runner import HOOKS, CheckpointHook, LrUpdaterHook
from mmcv.runner.hooks import MomentumUpdaterHook
from mmcv.runner.optimizer import OPTIMIZERS
from mmcv.utils import Registry, build_from_cfg

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.precision import FP16_HOOK
from mmseg_maskclip.utils import InputError, require_number, writable_dir

_DICTS = ('optimizer', 'optimizer_config', 'lr_config', 'momentum_config', 'runner', 'evaluation',
          'checkpoint_config', 'log_config', 'optimizer_config.grad_clip')
_DATASETS = ('data.train', 'data.val')
_LISTS = ('custom_hooks', 'log_config.hooks')
# Of mmcv's constructor; another one has keys of its own.
_PARAMWISE = ('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult',
              'dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate')
_LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG')
# Name, bounds; each is checked where it is given.
_NUMBERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('optimizer.lr', dict(minimum=0)),
    ('evaluation.interval', dict(minimum=1, whole=True)),
    ('log_config.interval', dict(minimum=1, whole=True)),
    ('checkpoint_config.max_keep_ckpts', dict(minimum=-1, whole=True, hint='-1 keeps all')),
    ('optimizer_config.grad_clip.max_norm', dict(above=0)),
    ('optimizer_config.grad_clip.norm_type', dict(above=0)),
)


def check_values(config: Config) -> None:
    """Find what mmcv would find late.

    Args:
        config: A training config.

    Raises:
        InputError: Which setting is wrong, and what is expected.
    """
    for name in _DICTS:
        _require_kind(config, name, Mapping, 'a dict')
    for name in _DATASETS:
        _require_kind(config, name, (Mapping, list, tuple), 'a dict or a list of dicts')
    for name in _LISTS:
        _require_dicts(config, name)
    for name, bounds in _NUMBERS:
        found, value = _lookup(config, name)
        if found:
            require_number(value, name, **bounds)
    level = config.get('log_level', 'INFO')
    if level not in _LEVELS and level not in map(logging.getLevelName, _LEVELS):
        raise InputError(f'log_level is {level!r}, expected one of {", ".join(_LEVELS)}.')
    _check_optimizer(config)
    _check_checkpoints(config.get('checkpoint_config') or {})
    for settings in (config.get('log_config') or {}).get('hooks', ()):
        _require_registered(settings, 'log_config.hooks', HOOKS)
        require_number(settings.get('interval', 1), 'log_config.hooks.interval', minimum=1,
                       whole=True)
    for settings in config.get('custom_hooks') or ():
        _require_registered(settings, 'custom_hooks', HOOKS)
    _check_schedule(config, 'lr_config', LrUpdaterHook)
    _check_schedule(config, 'momentum_config', MomentumUpdaterHook)


def _lookup(config: Config, name: str) -> tuple[bool, Any]:
    """Whether a setting is given, and what it is."""
    value: Any = config
    for part in name.split('.'):
        if not hasattr(value, 'get') or part not in value:
            return False, None
        value = value.get(part)
    return True, value


def _require_kind(config: Config, name: str, kind: type | tuple, expected: str) -> None:
    value = _lookup(config, name)[1]
    # Both switch a part off.
    if value is not None and value is not False and not isinstance(value, kind):
        raise InputError(f'{name} is {value!r}, expected {expected}.')


def _require_dicts(config: Config, name: str) -> None:
    found, value = _lookup(config, name)
    if not found or (value is None and name == 'custom_hooks'):
        return
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping)
                                                       for item in value):
        raise InputError(f'{name} is {value!r}, expected a list of dicts.')


def _require_registered(settings: Mapping, name: str, registry: Registry) -> None:
    """Refuse a type that is not known, before the minutes that building a model may take."""
    kind = settings.get('type')
    if isinstance(kind, type) or (isinstance(kind, str) and registry.get(kind)):
        return
    near = difflib.get_close_matches(str(kind), registry.module_dict, n=1)
    raise InputError(f'{name}.type is {kind!r}, which is not in the {registry.name} registry'
                     f'{f", did you mean {near[0]!r}?" if near else "."}')


def _check_optimizer(config: Config) -> None:
    _require_registered(config.optimizer, 'optimizer', OPTIMIZERS)
    groups = config.optimizer.get('paramwise_cfg')
    if isinstance(groups, Mapping) and 'constructor' not in config.optimizer:
        require_known(groups, 'optimizer.paramwise_cfg', _PARAMWISE)
    settings = config.get('optimizer_config') or {}
    if settings.get('type', FP16_HOOK) != FP16_HOOK:
        _require_registered(settings, 'optimizer_config', HOOKS)
    clip = settings.get('grad_clip')
    if clip is not None and 'max_norm' not in clip:
        raise InputError(f'optimizer_config.grad_clip is {dict(clip)}, expected '
                         'dict(max_norm=NUMBER), or None.')


def _check_checkpoints(settings: Mapping) -> None:
    name = 'checkpoint_config'
    interval = settings.get('interval', -1)
    if interval != -1:
        require_number(interval, f'{name}.interval', minimum=1, whole=True,
                       hint='-1 writes the last one alone')
    if settings.get('by_epoch'):
        raise InputError(f'{name}.by_epoch is True, with which nothing is written: the runner '
                         'counts iterations, set it to False.')
    require_known(settings, name, [*arguments_of(CheckpointHook), 'type', 'filename_tmpl', 'meta',
                                   'create_symlink', 'priority'])
    template = settings.get('filename_tmpl', 'iter_{}.pth')
    if not isinstance(template, str) or '{}' not in template:
        raise InputError(f"{name}.filename_tmpl is {template!r}, expected a name with {{}} for the "
                         "iteration such as 'iter_{}.pth': each checkpoint would replace the last.")
    require_out_dir(settings, name)


def require_out_dir(settings: Mapping, name: str) -> None:
    """Check that ``out_dir`` of a part of a config, where it is given, can be written.

    Args:
        settings: The part.
        name: What the part is called in the config.

    Raises:
        InputError: If it can't.
    """
    folder = settings.get('out_dir')
    if folder is None:
        return
    if not isinstance(folder, str):
        raise InputError(f'{name}.out_dir is {folder!r}, expected a folder.')
    writable_dir(folder, f'{name}.out_dir')


def arguments_of(function: Any) -> list[str]:
    """Names of the arguments a function or class takes, but not those it takes under any name."""
    return [name for name, value in inspect.signature(function).parameters.items()
            if value.kind not in (value.VAR_KEYWORD, value.VAR_POSITIONAL)]


def require_known(settings: Mapping, name: str, known: Iterable[str]) -> None:
    """Refuse a key that would be passed on until something, or nothing, reads it.

    Args:
        settings: A part of a config.
        name: What the part is called there.
        known: All keys that mean something.

    Raises:
        InputError: The first key that is not known.
    """
    known = list(known)
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise InputError(f'nothing reads {name}.{key}'
                             f'{f", did you mean {near[0]!r}?" if near else "."}')


def _check_schedule(config: Config, name: str, base: type) -> None:
    """Take the first and the last step of a schedule with a parameter that belongs to no model."""
    settings = copy.deepcopy(config.get(name))
    if not settings:
        return
    policy = settings.pop('policy', None)
    kind = settings.pop('type', None)
    if kind is None:
        # As mmcv names them.
        kind = f'{policy.title() if str(policy).islower() else policy}{base.__name__}'
        if HOOKS.get(kind) is None:
            known = sorted(key[:-len(base.__name__)] for key in HOOKS.module_dict
                           if key.endswith(base.__name__) and key != base.__name__)
            raise InputError(f'{name}.policy is {policy!r}, expected one of {", ".join(known)}.')
    if settings.get('by_epoch'):
        raise InputError(f'{name}.by_epoch is True, with which nothing changes: the runner counts '
                         'iterations, set it to False.')
    settings.pop('priority', None)
    with from_config(name):
        hook = build_from_cfg(dict(settings, type=kind, by_epoch=False), HOOKS)
    if not type(hook).__module__.startswith('mmcv.'):
        # One of the user's own may want more of a runner than is here.
        return
    limit = config.runner.get('max_iters')
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=config.optimizer.get('lr', 0.1), momentum=0.9)
    runner = SimpleNamespace(optimizer=optimizer, iter=0, epoch=0, max_iters=limit, max_epochs=None)
    with from_config(name, 'does not work'):
        hook.before_run(runner)
        for runner.iter in (0, limit - 1):
            hook.before_train_iter(runner)
