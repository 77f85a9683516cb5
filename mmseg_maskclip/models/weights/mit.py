"""SegFormer's Mix Transformer: from the names of its authors to mmseg's."""

from __future__ import annotations

import re
from typing import Mapping

import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError

_HEAD = re.compile(r'head\d*\.')
_EMBED = re.compile(r'patch_embed(\d)\.(proj|norm)\.(.+)')
_BLOCK = re.compile(r'block(\d)\.(\d+)\.(.+)')
_NORM = re.compile(r'norm(\d)\.(.+)')
_EMBED_PARTS = {'proj': 'projection', 'norm': 'norm'}
_PARTS = {
    'attn.proj': 'attn.attn.out_proj', 'attn.sr': 'attn.sr', 'attn.norm': 'attn.norm',
    'mlp.fc1': 'ffn.layers.0', 'mlp.dwconv.dwconv': 'ffn.layers.1', 'mlp.fc2': 'ffn.layers.4',
    'norm1': 'norm1', 'norm2': 'norm2',
}
_AS_CONVOLUTION = ('mlp.fc1.weight', 'mlp.fc2.weight')


def convert_mit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the ImageNet weights of a Mix Transformer for ``MixVisionTransformer``.

    Queries are stacked on keys and values, as torch's attention keeps them,
    and the linear layers of the feed-forward part become 1x1 convolutions.
    The ImageNet classifier is left out.

    Args:
        state: State dict of the authors' ``mit_b0`` to ``mit_b5``.

    Returns:
        The weights under mmseg's names.

    Raises:
        InputError: If a name is not of a Mix Transformer.
    """
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        if _HEAD.match(key) or _is_key_value(key):
            continue
        if match := _EMBED.fullmatch(key):
            name = f'layers.{int(match[1]) - 1}.0.{_EMBED_PARTS[match[2]]}.{match[3]}'
        elif match := _NORM.fullmatch(key):
            name = f'layers.{int(match[1]) - 1}.2.{match[2]}'
        elif match := _BLOCK.fullmatch(key):
            name = f'layers.{int(match[1]) - 1}.1.{match[2]}.{_in_block(key, match[3])}'
            value = _value(state, key, value)
        else:
            raise _unknown(key)
        converted[name] = value
    if not converted:
        raise InputError('there are no weights of a Mix Transformer to convert.')
    return converted


def _is_key_value(key: str) -> bool:
    """Keys and values are stacked onto the queries."""
    return _BLOCK.match(key) is not None and '.attn.kv.' in key


def _in_block(key: str, rest: str) -> str:
    part, _, kind = rest.rpartition('.')
    if part == 'attn.q':
        return f'attn.attn.in_proj_{kind}'
    if part not in _PARTS:
        raise _unknown(key)
    return f'{_PARTS[part]}.{kind}'


def _value(state: Mapping[str, Tensor], key: str, value: Tensor) -> Tensor:
    if '.attn.q.' in key:
        other = key.replace('.attn.q.', '.attn.kv.')
        if other not in state:
            raise InputError(f'{key} is there, {other} is missing: expected all weights of a Mix '
                             'Transformer.')
        return torch.cat([value, state[other]])
    if key.endswith(_AS_CONVOLUTION):
        return value[:, :, None, None]
    return value


def _unknown(key: str) -> InputError:
    return InputError(f'{key} is not a parameter of a Mix Transformer: expected the ImageNet '
                      'weights mit_b0.pth to mit_b5.pth as SegFormer publishes them, not yet '
                      'converted.')
