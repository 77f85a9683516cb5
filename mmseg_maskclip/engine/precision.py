"""Mixed precision: what ``--amp``, ``--precision`` and the fp16 settings of configs ask for."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from mmcv import Config
from mmcv.utils import print_log

from mmseg_maskclip.ops.precision import PRECISIONS
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
    if amp is not None:
        _require_half(amp, '--amp', AMP, torch.cuda.is_available())
    if settings is None:
        return Precision(amp)
    scale = settings.get('loss_scale', _LOSS_SCALE)
    if amp == 'bf16':
        return Precision(amp, note="--amp bf16 goes before the fp16 settings of the config.")
    if not torch.cuda.is_available():
        return Precision(note='The config asks for fp16, which needs a GPU: this run trains in '
                              'fp32. --amp bf16 would train in mixed precision on the CPU.')
    return Precision('fp16', scale)


def check_teacher_precision(config: Config) -> None:
    """Refuse ``model.teacher_precision`` where the machine can't do it.

    Args:
        config: A training config.

    Raises:
        InputError: If it can't, or the precision is unknown.
    """
    precision = config.get('model', {}).get('teacher_precision')
    if precision is not None:
        _require_half(precision, 'model.teacher_precision', PRECISIONS, torch.cuda.is_available())


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


def _require_half(value: str, name: str, known: Sequence[str], on_gpu: bool) -> None:
    """Refuse a precision that is none, or that the device lacks."""
    if value not in known:
        raise InputError(f'{name} is {value!r}, expected one of {tuple(known)}.')
    # A CPU takes several times as long as in single precision, where torch can do it at all.
    if value == 'fp16' and not on_gpu:
        raise InputError(f'{name} fp16 needs a GPU: use {name} bf16 on the CPU.')
    if value == 'bf16' and on_gpu and not torch.cuda.is_bf16_supported():
        raise InputError(f'{name} bf16: {torch.cuda.get_device_name()} has no bfloat16, use '
                         f'{name} fp16.')


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


def require_precision(precision: str, device: torch.device, name: str = '--precision') -> str:
    """A precision of a forward pass, checked.

    Args:
        precision: One of ``ops.precision.PRECISIONS``.
        device: Of the model.
        name: What a user knows it by.

    Raises:
        InputError: If it is none, or the device can't do it.
    """
    _require_half(precision, name, PRECISIONS, device.type == 'cuda')
    return precision


def inference_precision(config: Config, device: torch.device,
                        precision: str | None = None) -> str:
    """The precision a model is tested in.

    Args:
        config: Any config. With fp16 settings it is tested as in mmseg: in fp16 on a GPU.
        device: Of the model.
        precision: What is asked for, which goes before the config.

    Returns:
        One of ``ops.precision.PRECISIONS``.

    Raises:
        InputError: If the settings are wrong, or the device can't do what is asked for.
    """
    settings = fp16_settings(config)
    if precision is not None:
        return require_precision(precision, device)
    if settings is None:
        return 'fp32'
    if device.type != 'cuda':
        print_log('The config asks for fp16, which needs a GPU: this run tests in fp32.', 'mmseg')
        return 'fp32'
    return 'fp16'
