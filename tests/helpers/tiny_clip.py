"""Tiny random CLIP models, and their weights in every form people have."""

from __future__ import annotations

from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipSpec, make_spec

FORMS = ('openai', 'state_dict', 'wrapped', 'custom_text', 'safetensors', 'backbone', 'weights',
         'embedded')
_TEXT = {'width': 64, 'heads': 4, 'layers': 2, 'context_length': 77, 'vocab_size': 49408}
_STEM = {'conv1': '0', 'bn1': '1', 'conv2': '3', 'bn2': '4', 'conv3': '6', 'bn3': '7'}
_VIT = (('transformer.resblocks.', 'layers.'), ('mlp.c_fc', 'ffn.layers.0.0'),
        ('mlp.c_proj', 'ffn.layers.1'), ('attn.', 'attn.attn.'), ('ln_post', 'ln1'),
        ('ln_pre', 'ln0'), ('ln_', 'ln'), ('conv1', 'patch_embed.projection'))


def make_tiny_clip(kind: str, seed: int = 0, layers=None, width: int | None = None,
                   image_size: int = 64, patch_size: int = 16, heads: int = 4,
                   embed_dim: int = 32, quick_gelu: bool = True, ln_eps: float = 1e-5,
                   text: dict | None = None) -> open_clip.CLIP:
    """An ``open_clip.CLIP`` with random weights, in eval mode.

    Args:
        kind: ``'vit'`` (3 blocks of width 64) or ``'resnet'`` (one block a
            stage, width 8).
        seed: Seed of the weights.
        layers: Blocks, or the blocks of the four stages.
        width: Channels of the image tower.
        image_size: Side of its images.
        patch_size: ViT only.
        heads: ViT only; a ResNet has one per 64 of its 32 x width channels.
        embed_dim: D.
        quick_gelu: The activation; exact GELU where False.
        ln_eps: Epsilon of the image tower's LayerNorms, ViT only.
        text: Sizes of the text tower that differ from width 64, 4 heads,
            2 blocks, 77 tokens.
    """
    if kind == 'vit':
        width, layers = width or 64, layers or 3
        vision = {'width': width, 'layers': layers, 'image_size': image_size,
                  'patch_size': patch_size, 'head_width': width // heads,
                  'norm_kwargs': {'eps': ln_eps}}
        sizes = {'heads': heads, 'patch_size': patch_size, 'ln_eps': ln_eps}
    else:
        width, layers = width or 8, tuple(layers or (1, 1, 1, 1))
        head_width = min(64, width * 32 // 2)
        vision = {'width': width, 'layers': layers, 'image_size': image_size,
                  'head_width': head_width}
        sizes = {'heads': width * 32 // head_width, 'patch_size': None}
    text = {**_TEXT, **(text or {})}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CLIP(embed_dim, open_clip.CLIPVisionCfg(**vision),
                               open_clip.CLIPTextCfg(**text), quick_gelu=quick_gelu)
        _randomise(model)
    model.tiny_sizes = {
        'name': f'tiny {kind}', 'short_name': f'tiny_{kind}', 'kind': kind, 'width': width,
        'layers': layers, 'image_size': image_size, 'embed_dim': embed_dim, 'text': text,
        'activation': 'quick_gelu' if quick_gelu else 'gelu', **sizes}
    return model.eval()


def spec_of(model: nn.Module) -> ClipSpec:
    """The facts of a model made by :func:`make_tiny_clip`."""
    return make_spec(**model.tiny_sizes)


def save_as(model: nn.Module, path: str | Path, form: str, half: bool = False,
            token_ids: Tensor | None = None) -> Path:
    """Write a model's weights the way one of the known sources does.

    Args:
        model: From :func:`make_tiny_clip`.
        path: The file.
        form: One of ``FORMS``: OpenAI's TorchScript archive, a state dict
            plain, wrapped (``state_dict`` of a DDP model), of a
            ``CustomTextCLIP``, as safetensors, the two earlier converted
            files, and the embedded one with a part of the token rows.
        half: Round matrices to half precision first, as published files are.
        token_ids: Rows kept by the embedded form; all prompts' by default.
    """
    path = Path(path)
    state = {key: _rounded(value) if half else value.detach().clone()
             for key, value in model.state_dict().items()}
    if form == 'openai':
        _torchscript(state, model).save(str(path))
    elif form == 'safetensors':
        from safetensors.torch import save_file
        save_file({key: value.contiguous() for key, value in state.items()}, str(path))
    else:
        torch.save(_content(state, form, model.tiny_sizes['kind'], token_ids), path)
    return path


def _content(state: dict, form: str, kind: str, token_ids: Tensor | None) -> dict:
    if form == 'state_dict':
        return state
    if form == 'wrapped':
        return {'epoch': 3, 'name': 'run', 'optimizer': {'state': {}, 'lr': 0.1},
                'state_dict': {f'module.{key}': value for key, value in state.items()}}
    if form == 'custom_text':
        return {key if key.startswith(('visual.', 'logit_scale')) else f'text.{key}': value
                for key, value in state.items()}
    if form == 'embedded':
        if token_ids is None:
            token_ids = torch.arange(state['token_embedding.weight'].shape[0])
        rows = state['token_embedding.weight'][token_ids].half()
        return {**state, 'token_embedding.weight': rows, 'token_ids': token_ids}
    return _earlier(state, form, kind)


def _earlier(state: dict, form: str, kind: str) -> dict:
    """The two files of the earlier converter."""
    visual = {key[7:]: value for key, value in state.items() if key.startswith('visual.')}
    backbone, projections = {}, {}
    for key, value in visual.items():
        if key == 'proj':
            projections['proj'] = {'weight': value.t()}
        elif key.startswith('attnpool.') and '_proj' in key:
            _, name, part = key.split('.')
            projections.setdefault(name, {})[part] = value
        elif not key.startswith('attnpool'):
            name, value = (_vit if kind == 'vit' else _resnet)(key, value)
            backbone[f'backbone.{name}'] = value
    if form == 'backbone':
        return {'meta': {}, 'state_dict': backbone}
    return {**projections, 'clip': backbone}


def _vit(key: str, value: Tensor) -> tuple[str, Tensor]:
    if key == 'class_embedding':
        return 'cls_token', value[None, None]
    if key == 'positional_embedding':
        return 'pos_embed', value[None]
    for old, new in _VIT:
        key = key.replace(old, new)
    return key, value


def _resnet(key: str, value: Tensor) -> tuple[str, Tensor]:
    first, _, rest = key.partition('.')
    if first in _STEM:
        return f'stem.{_STEM[first]}.{rest}', value
    head, found, tail = key.partition('downsample.')
    if found:
        index, _, name = tail.partition('.')
        return f'{head}{found}{int(index) + 1}.{name}', value
    return key, value


class _Box(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def _torchscript(state: dict, model: nn.Module) -> torch.jit.ScriptModule:
    """A module tree with exactly OpenAI's names, scripted."""
    numbers = {'input_resolution': model.tiny_sizes['image_size'],
               'context_length': model.context_length, 'vocab_size': model.vocab_size}
    root = _Box()
    for key, value in {**state, **{k: torch.tensor(v) for k, v in numbers.items()}}.items():
        *parents, leaf = key.split('.')
        box = root
        for name in parents:
            if name not in box._modules:
                box.add_module(name, _Box())
            box = box._modules[name]
        box.register_buffer(leaf, value)
    return torch.jit.script(root)


def _rounded(value: Tensor) -> Tensor:
    return value.detach().half() if value.is_floating_point() and value.dim() > 1 \
        else value.detach().clone()


def _randomise(model: nn.Module) -> None:
    """Statistics and gains away from their start, so that a mix-up shows."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.6, 1.6)
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.uniform_(module.bias, -0.1, 0.1)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.uniform_(module.in_proj_bias, -0.1, 0.1)
