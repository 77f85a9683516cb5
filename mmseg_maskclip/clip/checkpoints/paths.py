"""Names of the files in ``pretrain/``, those of the earlier tools."""

from __future__ import annotations

from pathlib import Path

from mmseg_maskclip.clip.checkpoints.hub import SAFE
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.zoo import how_to_get
from mmseg_maskclip.utils import InputError

PRETRAIN = 'pretrain'


def bank_path(vocabulary_name: str, short_name: str, root: str | Path = PRETRAIN,
              variant: str = '', normalized: bool = True) -> Path:
    """Where the text bank of a vocabulary lies.

    Args:
        vocabulary_name: ``'voc'``, or ``'voc_context'`` for several sets.
        short_name: The model's, e.g. ``'ViT16'``.
        root: The folder.
        variant: Empty for the default templates, ``'npe'`` for the single one,
            the name of others.
        normalized: Whether its rows are unit vectors; the text features of
            the class weight are not.
    """
    marked = f'{short_name}_{variant}' if variant else short_name
    kind = 'text' if normalized else 'text_features'
    return Path(root) / f'{vocabulary_name}_{marked}_clip_{kind}.pth'


def backbone_path(short_name: str, root: str | Path = PRETRAIN) -> Path:
    """Where the converted image tower of a model lies.

    Args:
        short_name: The model's.
        root: The folder.
    """
    return Path(root) / f'{short_name}_clip_backbone.pth'


def weights_path(short_name: str, root: str | Path = PRETRAIN) -> Path:
    """Where the converted projections and image tower of a model lie.

    Args:
        short_name: The model's.
        root: The folder.
    """
    return Path(root) / f'{short_name}_clip_weights.pth'


def find_checkpoint(spec: ClipSpec, root: str | Path = PRETRAIN) -> Path:
    """The full checkpoint of a model: shipped with this package, or in ``root``.

    Args:
        spec: The model.
        root: Where downloaded files lie.

    Raises:
        InputError: If there is none; says how to get it.
    """
    if spec.weights:
        return Path(spec.weights)
    path = Path(root) / (spec.filename or f'{spec.short_name}.pt')
    if spec.hub and not path.is_file() and path.with_suffix(SAFE).is_file():
        return path.with_suffix(SAFE)
    if not path.is_file():
        raise InputError(f'the CLIP checkpoint {path} of {spec.name} does not exist. '
                         f'{how_to_get(spec)}')
    return path
