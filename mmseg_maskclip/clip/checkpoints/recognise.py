"""Which CLIP model a file without a name is of."""

from __future__ import annotations

import math
from dataclasses import replace

from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.spec import ClipSpec, make_spec
from mmseg_maskclip.clip.zoo import get_spec, list_models
from mmseg_maskclip.utils import InputError

_STRIDE = 32
_HEAD_WIDTH = 64
_TOKENS, _HIDDEN = 'token_embedding.weight', 'transformer.resblocks.0.mlp.c_fc.weight'


def recognise_model(checkpoint: ClipCheckpoint) -> ClipSpec:
    """The model that weights are of.

    A known one with this position table, else a known one whose table was resized to another
    image size, else one of the sizes in the file; its attention heads are then 64 wide, as in
    CLIP.

    Args:
        checkpoint: The weights.

    Raises:
        InputError: If the position table is of no square grid, or sizes are missing.
    """
    exact = checkpoint.identify()
    if exact:
        return get_spec(exact[0])
    for name in list_models():
        spec = _resized(get_spec(name), checkpoint)
        if not checkpoint.mismatches(spec):
            return spec
    return _from_sizes(checkpoint)


def _resized(spec: ClipSpec, checkpoint: ClipCheckpoint) -> ClipSpec:
    """A model at the image size of a position table."""
    return replace(spec, image_size=_side(checkpoint) * (spec.patch_size or _STRIDE))


def _side(checkpoint: ClipCheckpoint) -> int:
    count = (checkpoint.tower.positions or 1) - 1
    side = math.isqrt(count)
    if side * side != count or not side:
        raise InputError(f'CLIP checkpoint {checkpoint.path} has a position table of {count + 1} '
                         'rows, expected 1 + n * n.')
    return side


def _from_sizes(checkpoint: ClipCheckpoint) -> ClipSpec:
    tower, text = checkpoint.tower, checkpoint.text_tower
    if tower.embed_dim is None:
        raise InputError(f'CLIP checkpoint {checkpoint.path} ({checkpoint.form}) lacks the '
                         'projection into the joint space: name the full CLIP checkpoint.')
    sizes: dict = dict(
        name=checkpoint.path.stem, kind=tower.kind, width=tower.width, layers=tower.layers,
        patch_size=tower.patch_size, embed_dim=tower.embed_dim,
        image_size=_side(checkpoint) * (tower.patch_size or _STRIDE))
    if tower.hidden is not None:
        sizes['mlp_ratio'] = tower.hidden / tower.width
    if text is not None:
        sizes['text'] = dict(
            width=text.width, layers=text.layers, context_length=text.context_length,
            heads=max(text.width // _HEAD_WIDTH, 1),
            vocab_size=len(checkpoint.text[_TOKENS]),
            mlp_ratio=len(checkpoint.text[_HIDDEN]) / text.width)
    return make_spec(**sizes)
