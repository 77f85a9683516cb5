"""Writes the two converted files that earlier tools and configs name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.utils import InputError, atomic_path

_PROJECTIONS = ('k_proj', 'q_proj', 'v_proj', 'c_proj')


def write_backbone_file(checkpoint: ClipCheckpoint, spec: ClipSpec, path: str | Path) -> None:
    """Write ``{meta, state_dict: {backbone.*}}``, which ``tools/test.py`` takes.

    The projection into the joint space is part of it, so the file alone is
    enough for dense scores with a text bank.

    Args:
        checkpoint: A checkpoint of the model.
        spec: The model.
        path: The file.

    Raises:
        InputError: If the checkpoint is of another model, or the file can't
            be written.
    """
    checkpoint.check(spec)
    _save({'meta': {'clip': spec.name},
           'state_dict': {f'backbone.{key}': _own(value)
                          for key, value in checkpoint.visual.items()}}, path)


def write_weights_file(checkpoint: ClipCheckpoint, spec: ClipSpec, path: str | Path) -> None:
    """Write the projections by name beside the image tower.

    ``{proj: {weight (D, C)}, clip}`` for a ViT; for a ResNet
    ``{k_proj, q_proj, v_proj, c_proj: {weight, bias}, clip}``; ``clip`` is the
    image tower as in the backbone file, without the attention pool.

    Args:
        checkpoint: A checkpoint of the model.
        spec: The model.
        path: The file.

    Raises:
        InputError: If the checkpoint is of another model or lacks the
            projections, or the file can't be written.
    """
    checkpoint.check(spec)
    names = ('proj',) if spec.kind == 'vit' else _PROJECTIONS
    prefix = '' if spec.kind == 'vit' else 'attnpool.'
    content: dict[str, dict] = {name: _part(checkpoint.visual, f'{prefix}{name}.')
                                for name in names}
    missing = [name for name, part in content.items() if 'weight' not in part]
    if missing:
        raise InputError(f'{checkpoint.path} ({checkpoint.form}) lacks the projections '
                         f'{", ".join(missing)}: name the full CLIP checkpoint.')
    content['clip'] = {f'backbone.{key}': _own(value) for key, value in checkpoint.visual.items()
                       if not key.startswith(('proj.', 'attnpool.'))}
    _save(content, path)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix):]: _own(value) for key, value in state.items()
            if key.startswith(prefix)}


def _own(value: Tensor) -> Tensor:
    """A compact copy: a view would be saved with all it is a view of."""
    return value.detach().clone(memory_format=torch.contiguous_format)


def _save(content: dict, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        torch.save(content, temporary)
