"""Load the image tower of a CLIP file."""

from __future__ import annotations

from pathlib import Path

import torch
from mmcv.utils import print_log

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    activation_of,
    how_to_get,
    read_clip_checkpoint,
    weights_path,
)
from mmseg_maskclip.models.backbones import ClipBackbone, ClipViT
from mmseg_maskclip.models.weights.state_dict import load_exactly
from mmseg_maskclip.utils import require_file

POSITIONS = 'attnpool.positional_embedding'


def load_tower(backbone: ClipBackbone, checkpoint: ClipCheckpoint) -> None:
    """Load CLIP's image tower, every parameter of it.

    Args:
        backbone: A CLIP backbone.
        checkpoint: Output of :func:`read_clip_checkpoint`.

    Raises:
        InputError: If the tower is of another kind, width or depth, or parts
            are missing.
    """
    checkpoint.check(backbone.spec)
    state = dict(checkpoint.visual)
    missing = [key for key in backbone.state_dict() if key not in state]
    # Earlier converted files keep backbone and projections apart; a full CLIP file that lacks
    # something is broken.
    if missing and missing != [POSITIONS] and not checkpoint.text:
        state.update(_projections(backbone, checkpoint))
        missing = [key for key in backbone.state_dict() if key not in state]
    if missing == [POSITIONS]:
        # Earlier files dropped it; the dense read-out does not use it.
        state[POSITIONS] = torch.zeros_like(backbone.state_dict()[POSITIONS])
    if isinstance(backbone, ClipViT) and 'pos_embed' in state:
        state['pos_embed'] = backbone.fit_positions(state['pos_embed'])
    _settle_activation(backbone, checkpoint)
    load_exactly(backbone, state, f'{checkpoint.path} as CLIP model {backbone.spec.name}',
                 how_to_get(backbone.spec))


def _settle_activation(backbone: ClipBackbone, checkpoint: ClipCheckpoint) -> None:
    """Run what the weights were trained with, and log how that is known."""
    found, implied = activation_of(checkpoint, backbone.spec), backbone.spec.activation
    said = f'{checkpoint.path}: {found.title} is assumed, {found.reason}'
    if found.name != implied:
        said += f'; CLIP model {backbone.spec.name} would imply another'
        backbone.use_activation(found.name)
    if backbone.kind == 'vit' and backbone.fidelity == 'paper':
        said += "; the image tower runs GELU, as fidelity='paper' repeats"
    print_log(f'{said}.', 'mmseg', level=20 if found.name == implied else 30)


def _projections(backbone: ClipBackbone, checkpoint: ClipCheckpoint) -> dict:
    """The projections beside an earlier ``*_clip_backbone.pth``, which has none."""
    spec = backbone.spec
    beside = Path(checkpoint.path).parent / Path(weights_path(spec.short_name)).name
    if beside == Path(checkpoint.path):
        return {}
    require_file(beside, f'{checkpoint.path} holds the backbone alone; the projections',
                 'Make them with: python tools/maskclip_utils/convert_clip_weights.py '
                 f'--model {spec.short_name}' if spec.open_clip_name else
                 'Give the full CLIP file as the checkpoint.')
    other = read_clip_checkpoint(beside)
    other.check(spec)
    return {key: value for key, value in other.visual.items() if key not in checkpoint.visual}
