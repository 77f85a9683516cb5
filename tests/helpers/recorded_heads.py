"""The recordings of training-free read-outs, and our towers for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmseg_maskclip.clip import openai_to_backbone
from mmseg_maskclip.clip.spec import OPENAI_MEAN, OPENAI_STD
from mmseg_maskclip.models import ClipViT

from helpers.recordings import TOWERS, read

REDUCED = dict(residual=False, ffn=False)
CSA = dict(pairs=('qq', 'kk'))


def recorded_tower(tower: str, readout: dict, **settings: Any) -> ClipViT:
    """A recorded ViT with a read-out; its images are normalised as CLIP's own."""
    backbone = ClipViT(arch=TOWERS[tower], fidelity='clip', readout=readout,
                       input_mean=[255 * value for value in OPENAI_MEAN],
                       input_std=[255 * value for value in OPENAI_STD],
                       **{'positions': 'plus', **settings})
    visual = {key[len('visual.'):]: torch.from_numpy(value)
              for key, value in read(f'{tower}_clip_visual').items()}
    backbone.load_state_dict(openai_to_backbone(visual, 'vit'))
    return backbone.eval()


def recorded_image(tower: str, size: str) -> Tensor:
    """The recorded pictures of a size, (2, 3, H, W)."""
    return torch.from_numpy(read(f'heads_images_{tower}')[f'{tower}/{size}/img'])


def recorded_text(tower: str) -> Tensor:
    """Text embeddings, (7, 32)."""
    return torch.from_numpy(read(f'{tower}_text')['text'])


def attention(name: str, **settings: Any) -> dict:
    """Config of an ``AttentionReadout`` by what the official codes call its attention."""
    known = {'csa': CSA, 'sclip': CSA, 'qk': dict(pairs='qk'), 'vanilla': dict(pairs='qk'),
             'maskclip': dict(pairs='v'), 'clearclip': dict(pairs='qq'), 'kk': dict(pairs='kk')}
    return dict(type='AttentionReadout', **known[name], **settings)
