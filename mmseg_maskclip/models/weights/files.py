"""Locate the weights that a config or a command line names."""

from __future__ import annotations

from pathlib import Path

from mmseg_maskclip.clip import find_checkpoint, get_spec
from mmseg_maskclip.utils import InputError


def locate_weights(name: str | Path) -> str | Path:
    """The file of a checkpoint that is named by its path, or by a CLIP model.

    Args:
        name: A path, returned as it is; or where there is no such file the
            name of a CLIP model, e.g. ``'TinyRN'`` (its weights ship with this
            package) or ``'ViT-B/16'`` (looked for in ``pretrain/``).

    Raises:
        InputError: If the file of a model is missing; with the command that gets it.
    """
    if Path(name).exists() or Path(name).suffix in ('.pt', '.pth', '.bin', '.safetensors'):
        return name
    try:
        spec = get_spec(str(name))
    except InputError:
        return name
    return find_checkpoint(spec)
