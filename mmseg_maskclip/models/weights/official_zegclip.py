"""Checkpoints that the official ZegCLIP code wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping

from mmcv.utils import print_log
from torch import Tensor

from mmseg_maskclip.clip import openai_to_backbone

TOWER = 'backbone.tower.'
"""Where the weights of the frozen tower stand in a checkpoint that has them."""
_LAYERS = r'decode_head\.decoder_1\.layers\.'
_TOWER = re.compile(r'backbone\.(class_embedding|positional_embedding|proj|conv1\.weight'
                    r'|ln_(?:pre|post)\..+|transformer\.resblocks\..+)')
_PROMPTS = re.compile(r'backbone\.(?:deep_)?prompt_.+')
_LAYER = re.compile(_LAYERS + r'(\d+)\.(multihead_attn\.[qkv]|multihead_attn\.proj|linear[12]'
                    r'|norm[23])\.(weight|bias)')
_PARTS = {'multihead_attn.': 'cross_attn.', 'norm2': 'norm1', 'norm3': 'norm2'}


def adapt_zegclip(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Rename the weights of a checkpoint of the official ZegCLIP, and drop the dead ones.

    Args:
        state: A state dict; one of this project's own is returned as it is.
        path: Its file, for the log.

    Returns:
        The state under this project's names, the tower's among them.
    """
    if 'decode_head.q_proj.weight' not in state or 'backbone.class_embedding' not in state:
        return dict(state)
    # Without any layer it is damaged, which loading what is left of it tells.
    last = max((int(match[1]) for key in state if (match := re.match(_LAYERS + r'(\d+)\.', key))),
               default=-1)
    kept, tower, dropped = {}, {}, []
    for key, value in state.items():
        if match := _TOWER.fullmatch(key):
            tower[match[1]] = value.float()
        elif name := _renamed(key, last):
            kept[name] = value.float()
        else:
            dropped.append(key)
    kept.update({f'{TOWER}{key}': value
                 for key, value in openai_to_backbone(tower, 'vit').items()})
    shown = sorted({_kind_of(key) for key in dropped})
    print_log(f'{path} is a checkpoint of the official ZegCLIP: {len(dropped)} parameters that '
              f'nothing reads are left out ({", ".join(shown)}).', 'mmseg')
    return kept


def _renamed(key: str, last: int) -> str | None:
    """This project's name of a learned parameter, None for one that nothing reads."""
    if key.startswith('decode_head.q_proj.') or _PROMPTS.fullmatch(key):
        return key
    match = _LAYER.fullmatch(key)
    if match is None:
        return None
    layer, part, kind = int(match[1]), match[2], match[3]
    if layer == last:
        # Of its attention only the scores are read.
        return f'decode_head.decoder.masks.{part[-1]}.{kind}' if part[-2:] in ('.q', '.k') else None
    for old, new in _PARTS.items():
        if part.startswith(old):
            part = part.replace(old, new)
            break
    return f'decode_head.decoder.layers.{layer}.{part}.{kind}'


def _kind_of(key: str) -> str:
    """What a dropped parameter belongs to, such as ``decoder_1.layers.2.linear1``."""
    parts = key.split('.')
    if parts[0] == 'text_encoder':
        return parts[0]
    return '.'.join(parts[1:5 if 'decoder_1' in key else 4])
