"""Key names: transformers' ``CLIPModel`` -> OpenAI's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmseg_maskclip.clip.checkpoints.keys import as_matrix
from mmseg_maskclip.utils import InputError

_PARTS = ('q', 'k', 'v')
_BLOCK = re.compile(r'(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)')
_IN_BLOCK = {'self_attn.out_proj': 'attn.out_proj', 'layer_norm1': 'ln_1', 'layer_norm2': 'ln_2',
             'mlp.fc1': 'mlp.c_fc', 'mlp.fc2': 'mlp.c_proj'}
_TRANSFORMERS = {'vision': 'visual.transformer', 'text': 'transformer'}
_NAMES = {
    'vision_model.embeddings.class_embedding': 'visual.class_embedding',
    'vision_model.embeddings.patch_embedding.weight': 'visual.conv1.weight',
    'vision_model.embeddings.position_embedding.weight': 'visual.positional_embedding',
    'text_model.embeddings.token_embedding.weight': 'token_embedding.weight',
    'text_model.embeddings.position_embedding.weight': 'positional_embedding',
    'logit_scale': 'logit_scale',
    # It is spelt so there.
    **{f'vision_model.pre_layrnorm.{kind}': f'visual.ln_pre.{kind}' for kind in ('weight', 'bias')},
    **{f'vision_model.post_layernorm.{kind}': f'visual.ln_post.{kind}'
       for kind in ('weight', 'bias')},
    **{f'text_model.final_layer_norm.{kind}': f'ln_final.{kind}' for kind in ('weight', 'bias')},
}
_PROJECTIONS = {'visual_projection.weight': 'visual.proj', 'text_projection.weight':
                'text_projection'}
_COUNTERS = '.embeddings.position_ids'
_TOWERS = ('vision_model.', 'text_model.')


def is_transformers(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is of a model of transformers that is built like CLIP.

    Args:
        state: Tensors by name.
    """
    return any(key.startswith(_TOWERS) for key in state)


def transformers_to_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a ``CLIPModel`` or of one of its towers.

    Queries, keys and values are stacked, as torch's attention keeps them; the
    projections are transposed. Weights beside the towers, such as a decoder's
    on top of them, are left out.

    Args:
        state: State dict of transformers' ``CLIPModel``,
            ``CLIPVisionModelWithProjection`` and the like.

    Returns:
        The weights under OpenAI's names.

    Raises:
        InputError: If a tower is built otherwise than CLIP's.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith(_COUNTERS):
            continue
        if key in _NAMES:
            renamed[_NAMES[key]] = value
        elif key in _PROJECTIONS:
            renamed[_PROJECTIONS[key]] = as_matrix(value).t()
        elif match := _BLOCK.fullmatch(key):
            name, value = _in_block(state, key, value, match)
            renamed[name] = value
        elif key.startswith(_TOWERS):
            raise _unknown(key)
    return renamed


def _in_block(state: Mapping[str, Tensor], key: str, value: Tensor,
              match: re.Match) -> tuple[str, Tensor]:
    tower, number, part, kind = match.groups()
    prefix = f'{_TRANSFORMERS[tower]}.resblocks.{number}'
    if part in _IN_BLOCK:
        return f'{prefix}.{_IN_BLOCK[part]}.{kind}', value
    if part not in [f'self_attn.{one}_proj' for one in _PARTS]:
        raise _unknown(key)
    start = f'{tower}_model.encoder.layers.{number}.self_attn'
    names = [f'{start}.{one}_proj.{kind}' for one in _PARTS]
    missing = [name for name in names if name not in state]
    if missing:
        raise InputError(f'{key} is there, {missing[0]} is not: these are not the whole weights '
                         'of a CLIP model of transformers.')
    return f'{prefix}.attn.in_proj_{kind}', torch.cat([state[name] for name in names])


def _unknown(key: str) -> InputError:
    return InputError(f"{key} is not a weight of transformers' CLIPModel: the towers are built "
                      "otherwise than CLIP's.")
