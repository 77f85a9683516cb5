"""Mixed precision: what ``--amp`` and the fp16 settings of mmseg's configs ask for."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import Any, ContextManager, Mapping

import torch
from mmcv import Config
from mmcv.utils import print_log

from mmseg_maskclip.utils import InputError, require_number

AMP = ('fp16', 'bf16')
DYNAMIC = 'dynamic'
FP16_HOOK = 'Fp16OptimizerHook'
# mmcv's own: a number is a scale that stays.
_LOSS_SCALE = 512.0
_FP16_KEYS = ('loss_scale', 'coalesce', 'bucket_size_mb', 'distributed')


@dataclass(frozen=True)
class Precision:
    """How a training run computes.

    Attributes:
        amp: ``'fp16'``, ``'bf16'`` or None for single precision.
        loss_scale: Of fp16: ``'dynamic'``, a number that stays, or keyword
            arguments of torch's ``GradScaler``.
        note: What the user should know of the choice, None for nothing.
    """

    amp: str | None = None
    loss_scale: float | str | dict = DYNAMIC
    note: str | None = None


def choose_precision(config: Config, amp: str | None) -> Precision:
    """The precision of a training run.

    mmseg's configs ask for fp16 by ``fp16=dict(loss_scale=...)``, by an
    ``Fp16OptimizerHook``, or both. As in mmcv they run in single precision
    where there is no GPU; ``--amp`` is an order, which is refused there.

    Args:
        config: A training config.
        amp: ``--amp``, which goes first.

    Raises:
        InputError: If a setting is wrong, or this machine can't do what ``amp`` says.
    """
    settings = fp16_settings(config)
    _check_amp(amp)
    if settings is None:
        return Precision(amp)
    scale = settings.get('loss_scale', _LOSS_SCALE)
    if amp == 'bf16':
        return Precision(amp, note="--amp bf16 goes before the fp16 settings of the config.")
    if not torch.cuda.is_available():
        return Precision(note='The config asks for fp16, which needs a GPU: this run trains in '
                              'fp32. --amp bf16 would train in mixed precision on the CPU.')
    return Precision('fp16', scale)


def fp16_settings(config: Config) -> dict | None:
    """What a config says of fp16, as arguments of mmcv's hook; None where it says nothing.

    Args:
        config: Any config.

    Raises:
        InputError: If it is not a dict, or has keys that mean nothing.
    """
    hook, given = config.get('optimizer_config'), config.get('fp16')
    found = {}
    if isinstance(hook, Mapping) and hook.get('type') == FP16_HOOK:
        found = {key: value for key, value in hook.items() if key != 'type'}
    elif given is None or given is False:
        return None
    if given not in (None, False):
        if not isinstance(given, Mapping) or {*given} - {*_FP16_KEYS}:
            raise InputError(f'fp16 is {given!r}, expected a dict such as '
                             f"dict(loss_scale={_LOSS_SCALE:g}) or dict(loss_scale='{DYNAMIC}').")
        found.update(given)
    _check_scale(found.get('loss_scale', _LOSS_SCALE))
    return found


def _check_amp(amp: str | None) -> None:
    if amp not in (None, *AMP):
        raise InputError(f'--amp is {amp!r}, expected one of {AMP}.')
    if amp == 'fp16' and not torch.cuda.is_available():
        raise InputError('--amp fp16 needs a GPU: use --amp bf16 on the CPU.')
    if amp == 'bf16' and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise InputError(f'--amp bf16: {torch.cuda.get_device_name()} has no bfloat16, use '
                         '--amp fp16.')


def _check_scale(scale: Any) -> None:
    """Also where nothing is scaled: a config is right or wrong on any machine."""
    if scale == DYNAMIC:
        return
    if not isinstance(scale, Mapping):
        require_number(scale, 'fp16.loss_scale', above=0,
                       hint=f"or '{DYNAMIC}', or a dict of arguments of torch's GradScaler")
        return
    known = inspect.signature(_scaler_class()).parameters
    unknown = [key for key in scale if key not in known or key in ('device', 'enabled')]
    if unknown:
        raise InputError(f'fp16.loss_scale.{unknown[0]}: expected arguments of torch\'s '
                         'GradScaler, init_scale, growth_factor, backoff_factor and '
                         'growth_interval.')
    for key, value in scale.items():
        require_number(value, f'fp16.loss_scale.{key}', above=1 if key == 'growth_factor' else 0,
                       below=1 if key == 'backoff_factor' else None,
                       whole=key == 'growth_interval')


def _scaler_class() -> type:
    """torch's loss scaler, wherever this version keeps it."""
    return getattr(torch.amp, 'GradScaler', torch.cuda.amp.GradScaler)


def grad_scaler(loss_scale: float | str | Mapping = DYNAMIC, device: str = 'cuda') -> Any:
    """A loss scaler.

    Args:
        loss_scale: As in :class:`Precision`.
        device: Type of the device of the losses.
    """
    fixed = fixed_scale(loss_scale)
    arguments: dict[str, Any] = {} if fixed is None else {'init_scale': fixed}
    if isinstance(loss_scale, Mapping):
        arguments = dict(loss_scale)
    kind = _scaler_class()
    if 'device' in inspect.signature(kind).parameters:
        arguments['device'] = device
    return kind(**arguments)


def fixed_scale(loss_scale: float | str | Mapping) -> float | None:
    """The scale that stays as it is, None where it follows the gradients."""
    return None if isinstance(loss_scale, (str, Mapping)) else float(loss_scale)


def inference_precision(config: Config, device: torch.device) -> ContextManager:
    """What a config with fp16 settings is tested under, as in mmseg: fp16 on a GPU.

    Args:
        config: Any config.
        device: Of the model.

    Raises:
        InputError: If the settings are wrong.
    """
    if fp16_settings(config) is None:
        return contextlib.nullcontext()
    if device.type != 'cuda':
        print_log('The config asks for fp16, which needs a GPU: this run tests in fp32.', 'mmseg')
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.float16)
