"""Fill a model from whatever checkpoint a user has."""

from __future__ import annotations

import torch
from mmcv import Config
from torch import nn

from mmseg_maskclip.clip import holds_teacher, is_mmseg_checkpoint, read_weights_file
from mmseg_maskclip.models import MaskClip
from mmseg_maskclip.models.weights.clip import load_class_weight, load_clip
from mmseg_maskclip.models.weights.official import adapt_official
from mmseg_maskclip.utils import InputError, require_file

_GET = 'bash download_weights.sh'


def load_weights(model: nn.Module, path: str, device: str = 'cpu') -> dict:
    """Load a checkpoint into a segmentor.

    A trained segmentor is loaded strictly. Into :class:`MaskClip` also goes
    any form of a CLIP checkpoint; the text bank is then found or built.

    Args:
        model: The segmentor, on the CPU.
        path: The checkpoint file.
        device: Where a missing text bank is encoded.

    Returns:
        The checkpoint's ``meta``, empty for a CLIP file.

    Raises:
        InputError: If the file is missing, broken, or of another model.
    """
    require_file(path, 'checkpoint', f'Get the weights of CLIP with: {_GET}')
    if is_mmseg_checkpoint(path) and not (isinstance(model, MaskClip) and holds_teacher(path)):
        meta = _load_trained(model, path)
        if getattr(model, 'class_weight', None) is not None:
            load_class_weight(model.class_weight, model.decode_head, device)
        return meta
    if not isinstance(model, MaskClip):
        raise InputError(f'{path} is a CLIP file, the config describes a '
                         f'{type(model).__name__}: give the checkpoint that training it wrote.')
    load_clip(model, path, device)
    return {}


def _load_trained(model: nn.Module, path: str) -> dict:
    content, _ = read_weights_file(path, what='checkpoint')
    state = adapt_official(content.get('state_dict', content), path)
    own = model.state_dict()
    damaged = [key for key, value in state.items()
               if key in own and not torch.isfinite(value).all()]
    if damaged:
        raise InputError(f'{path} holds values that are no numbers, in {len(damaged)} parameters '
                         f'(such as {damaged[0]}): the run that wrote it had diverged, or it is '
                         'damaged; take an earlier one.')
    try:
        found = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f'{path} does not fit the config: {_first_mismatch(error)}: give the '
                         'config it was made with.') from error
    if found.missing_keys or found.unexpected_keys:
        raise InputError(f'{path} does not fit the config: {len(found.missing_keys)} parameters '
                         f'are missing (such as {found.missing_keys[:2]}), '
                         f'{len(found.unexpected_keys)} are not known (such as '
                         f'{found.unexpected_keys[:2]}): give the config it was made with.')
    return (content.get('meta') or {}) if 'state_dict' in content else {}


def _first_mismatch(error: RuntimeError) -> str:
    """The first shape torch complains of."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if 'size mismatch' in line), lines[0]).rstrip('.')


def describe_fidelity(config: Config) -> str | None:
    """Fidelity of the CLIP backbone a config describes, None without one."""
    backbone = config.model.get('backbone', {})
    if backbone.get('type') not in ('ClipViT', 'ClipResNet'):
        return None
    return backbone.get('fidelity', 'paper')
