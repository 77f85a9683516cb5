"""A tiny CLIP as a model: untrained from a recipe, or with the weights of a file."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from mmseg_maskclip.clip.pretraining import build_open_clip
from mmseg_maskclip.tinyworld.pretraining.packing import unpack
from mmseg_maskclip.tinyworld.pretraining.recipe import SIZES, Recipe
from mmseg_maskclip.utils import require_file
from mmseg_maskclip.utils.files import PathLike

FILES = {'TinyRN': 'tiny_rn.pth', 'TinyViT': 'tiny_vit.pth', 'TinyViT8': 'tiny_vit8.pth'}
WEIGHTS_DIR = Path(__file__).resolve().parents[1] / 'weights'
SCRIPT = 'tools/maskclip_utils/pretrain_tiny_clip.py'


def build(recipe: Recipe) -> nn.Module:
    """The untrained model of a recipe, an ``open_clip.CLIP``, from its seed.

    With ``text_from`` the text tower is that of the named tiny CLIP, frozen.
    """
    sizes = copy.deepcopy(SIZES[recipe.model])
    if 'patch_size' in sizes['vision_cfg']:
        sizes['vision_cfg']['patch_dropout'] = recipe.patch_dropout
    # The caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = build_open_clip(sizes)
    if recipe.text_from is not None:
        _copy_text_tower(model, recipe.text_from)
    return model


def _copy_text_tower(model: nn.Module, source: str) -> None:
    given = load_tiny_clip(WEIGHTS_DIR / FILES[source], source).state_dict()
    for name, weight in model.named_parameters():
        if name.startswith('visual.') or name == 'logit_scale':
            continue
        with torch.no_grad():
            weight.copy_(given[name])
        weight.requires_grad_(False)


def load_tiny_clip(path: PathLike, model: str) -> nn.Module:
    """An ``open_clip.CLIP`` with the weights of a file, in eval mode.

    Args:
        path: A file written by ``pretrain_to_file``.
        model: Name of the tiny CLIP, such as ``'TinyViT'``.

    Raises:
        InputError: If the file is missing.
    """
    path = require_file(path, 'tiny CLIP', f'Run: python {SCRIPT} --model {model} '
                                           f'--out {path}')
    clip = build(Recipe(model=model))
    clip.load_state_dict(full_state(torch.load(path, weights_only=True), model))
    return clip.eval()


def full_state(packed: dict, model: str) -> dict:
    """The state dict ``open_clip.CLIP`` loads, of a packed one."""
    return unpack(packed, SIZES[model]['text_cfg']['vocab_size'])
