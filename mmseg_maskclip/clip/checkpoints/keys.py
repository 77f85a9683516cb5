"""Key names: CLIP's image towers <-> this project's backbones (both ways).

The backbone names are those of the published MaskCLIP checkpoints, plus the
projection into the joint space (``proj.weight``, ``attnpool.*``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmseg_maskclip.utils import InputError

_VIT = (
    (r'conv1\.weight', 'patch_embed.projection.weight'),
    (r'ln_pre\.(weight|bias)', r'ln0.\1'),
    (r'ln_post\.(weight|bias)', r'ln1.\1'),
    (r'transformer\.resblocks\.(\d+)\.ln_([12])\.(weight|bias)', r'layers.\1.ln\2.\3'),
    (r'transformer\.resblocks\.(\d+)\.attn\.'
     r'(in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias)',
     r'layers.\1.attn.attn.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_fc\.(weight|bias)',
     r'layers.\1.ffn.layers.0.0.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_proj\.(weight|bias)',
     r'layers.\1.ffn.layers.1.\2'),
)
_VIT_BACK = (
    (r'patch_embed\.projection\.weight', 'conv1.weight'),
    (r'ln0\.(weight|bias)', r'ln_pre.\1'),
    (r'ln1\.(weight|bias)', r'ln_post.\1'),
    (r'layers\.(\d+)\.ln([12])\.(weight|bias)', r'transformer.resblocks.\1.ln_\2.\3'),
    (r'layers\.(\d+)\.attn\.attn\.'
     r'(in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias)',
     r'transformer.resblocks.\1.attn.\2'),
    (r'layers\.(\d+)\.ffn\.layers\.0\.0\.(weight|bias)',
     r'transformer.resblocks.\1.mlp.c_fc.\2'),
    (r'layers\.(\d+)\.ffn\.layers\.1\.(weight|bias)',
     r'transformer.resblocks.\1.mlp.c_proj.\2'),
)
_NORM = r'(weight|bias|running_mean|running_var|num_batches_tracked)'
_BLOCK = r'layer[1-4]\.\d+'
_ATTNPOOL = r'(attnpool\.(?:positional_embedding|[qkvc]_proj\.(?:weight|bias)))'
_INNER = rf'({_BLOCK}\.(?:conv[123]\.weight|bn[123]\.{_NORM}))'
_RESNET = (
    (r'conv1\.weight', 'stem.0.weight'), (rf'bn1\.{_NORM}', r'stem.1.\1'),
    (r'conv2\.weight', 'stem.3.weight'), (rf'bn2\.{_NORM}', r'stem.4.\1'),
    (r'conv3\.weight', 'stem.6.weight'), (rf'bn3\.{_NORM}', r'stem.7.\1'),
    (_INNER, r'\1'),
    # The average pool that starts a shortcut counts as index 0 in the backbone.
    (rf'({_BLOCK}\.downsample)\.0\.weight', r'\1.1.weight'),
    (rf'({_BLOCK}\.downsample)\.1\.{_NORM}', r'\1.2.\2'),
    (_ATTNPOOL, r'\1'),
)
_RESNET_BACK = (
    (r'stem\.0\.weight', 'conv1.weight'), (rf'stem\.1\.{_NORM}', r'bn1.\1'),
    (r'stem\.3\.weight', 'conv2.weight'), (rf'stem\.4\.{_NORM}', r'bn2.\1'),
    (r'stem\.6\.weight', 'conv3.weight'), (rf'stem\.7\.{_NORM}', r'bn3.\1'),
    (_INNER, r'\1'),
    (rf'({_BLOCK}\.downsample)\.1\.weight', r'\1.0.weight'),
    (rf'({_BLOCK}\.downsample)\.2\.{_NORM}', r'\1.1.\2'),
    (_ATTNPOOL, r'\1'),
)


def openai_to_backbone(visual_state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Rename an image tower's weights to backbone names.

    Args:
        visual_state: State dict of ``clip.visual`` (OpenAI's and open_clip's names).
        kind: ``'vit'`` or ``'resnet'``.

    Returns:
        The same tensors under backbone names; the class token (1, 1, C), the
        position table (1, 1 + N, C), the projection transposed to (D, C).

    Raises:
        InputError: If a key belongs to no plain tower of that kind.
    """
    renamed = {}
    for key, value in visual_state.items():
        if kind == 'vit' and key == 'class_embedding':
            renamed['cls_token'] = value.reshape(1, 1, -1)
        elif kind == 'vit' and key == 'positional_embedding':
            renamed['pos_embed'] = value.unsqueeze(0)
        elif kind == 'vit' and key == 'proj':
            renamed['proj.weight'] = as_matrix(value).t()
        else:
            renamed[_rename(key, _VIT if kind == 'vit' else _RESNET, kind)] = value
    return renamed


def backbone_to_openai(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Rename backbone weights to the names of ``clip.visual``.

    Args:
        state: Weights under backbone names.
        kind: ``'vit'`` or ``'resnet'``.

    Returns:
        What :func:`openai_to_backbone` was given.

    Raises:
        InputError: If a key belongs to no backbone of that kind.
    """
    renamed = {}
    for key, value in state.items():
        if kind == 'vit' and key == 'cls_token':
            renamed['class_embedding'] = value.flatten()
        elif kind == 'vit' and key == 'pos_embed':
            renamed['positional_embedding'] = value.squeeze(0)
        elif kind == 'vit' and key == 'proj.weight':
            renamed['proj'] = value.t()
        else:
            renamed[_rename(key, _VIT_BACK if kind == 'vit' else _RESNET_BACK, kind)] = value
    return renamed


def as_matrix(value: Tensor) -> Tensor:
    """A projection as (out, in); some copies were saved as 1x1 convolutions.

    Args:
        value: (out, in), or with trailing dimensions of 1.
    """
    while value.dim() > 2 and value.shape[-1] == 1:
        value = value.squeeze(-1)
    return value


def _rename(key: str, rules: tuple[tuple[str, str], ...], kind: str) -> str:
    for pattern, name in rules:
        match = re.fullmatch(pattern, key)
        if match:
            return match.expand(name)
    tower = 'ViT' if kind == 'vit' else 'ModifiedResNet'
    raise InputError(f"the image tower is not a plain {tower}: it has the weight '{key}'.")
