"""Which models can be exported; the others are refused by name, before anything is loaded."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Mapping, Union

from mmcv import Config

from mmseg_maskclip.clip import CheckpointKind, read_checkpoint_file
from mmseg_maskclip.engine.config import load_config, merge_options
from mmseg_maskclip.engine.heads import OWN_PROTOCOL
from mmseg_maskclip.engine.predict.build import WEIGHTS, named_spec
from mmseg_maskclip.engine.predict.configs import (
    Settings,
    config_of_checkpoint,
    config_of_clip,
)
from mmseg_maskclip.models import MaskClip, MaskClipPlus, ZegClip
from mmseg_maskclip.utils import InputError, require_file

METHODS = ('maskclip', 'clip', 'sclip', 'clearclip', 'naclip', 'gem')
_WORDS = 'MaskCLIP and the read-outs clip, value, sclip, clearclip, naclip and gem'
# What else a MaskClip may do; none of it is in the graph.
_PARTS = {'class_weight': 'the class weight', 'feedback': 'the feedback of ResCLIP',
          'views': 'the views of ITACLIP'}
_THRESHOLDS = {'ks_thresh': 'key smoothing', 'pd_thresh': 'prompt denoising'}


def require_supported(source: Union[str, Path, Config], settings: Settings) -> None:
    """Refuse a model that can't be exported, by the name of what can't.

    Args:
        source: As for ``load``.
        settings: As there.

    Raises:
        InputError: If it can't be exported, or its config or name can't be found.
    """
    method = settings.method
    if method in OWN_PROTOCOL and method not in METHODS:
        raise InputError(f'method {method!r} cannot be exported, expected one of '
                         f'{", ".join(METHODS)}.')
    for name, what in _THRESHOLDS.items():
        if getattr(settings, name):
            raise InputError(f'{name} is {getattr(settings, name)}: {what} cannot be exported, '
                             'leave it out.')
    config = _config_of(source, settings)
    if config is not None:
        require_supported_model(config.model)


def _config_of(source: Union[str, Path, Config], settings: Settings) -> Any:
    """The config of a model, without its weights; None of a CLIP file, which has no settings."""
    if isinstance(source, Config):
        config = copy.deepcopy(source)
    elif str(source).endswith('.py'):
        config = load_config(str(source))
    elif str(source).lower().endswith(WEIGHTS):
        content = read_checkpoint_file(require_file(source, 'checkpoint'))
        if content.kind is CheckpointKind.CLIP:
            return None
        config = config_of_checkpoint(content, settings)
    else:
        return config_of_clip(named_spec(str(source)), settings)
    if settings.options:
        merge_options(config, dict(settings.options), str(source))
    return config


def require_supported_model(model: Mapping[str, Any]) -> None:
    """Refuse the settings of a model that can't be exported.

    Args:
        model: ``model`` of a config.

    Raises:
        InputError: If it can't.
    """
    kind = model.get('type')
    if kind in (MaskClipPlus.__name__, ZegClip.__name__):
        return
    if kind != MaskClip.__name__:
        raise InputError(f'a {kind} cannot be exported, expected a MaskClip, MaskClipPlus or '
                         'ZegClip.')
    # What is not of the type that it has to be is named when the model is built.
    for name, what in _PARTS.items():
        if model.get(name):
            raise InputError(f'model.{name} is set: {what} cannot be exported, set it to None.')
    refine = model.get('refine') or ()
    refiners = [refiner['type'] for refiner in ([refine] if _is_part(refine) else refine)
                if _is_part(refiner) and refiner['type'] != 'Background']
    if refiners:
        raise InputError(f'model.refine has {refiners[0]}, which cannot be exported: set '
                         'model.refine=None.')
    for name, what in _THRESHOLDS.items():
        if _is_part(model.get('decode_head')) and model['decode_head'].get(name):
            raise InputError(f'model.decode_head.{name} is set: {what} cannot be exported, set it '
                             'to 0.')
    if _is_part(model.get('backbone')):
        _require_readout(model['backbone'].get('readout'))


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping) and 'type' in value


def _require_readout(readout: Any) -> None:
    if not _is_part(readout):
        return
    kind = readout['type']
    if kind == 'DualPathReadout' and readout.get('attention', 'gem') == 'gem':
        return
    if kind == 'AttentionReadout' and not readout.get('middle'):
        return
    what = f'{kind} with the attention of middle blocks' if kind == 'AttentionReadout' else (
        f'{kind} with attention={readout["attention"]!r}' if kind == 'DualPathReadout' else kind)
    raise InputError(f'model.backbone.readout is {what}, which cannot be exported: expected '
                     f'{_WORDS}.')
