"""From a recipe to a weights file and the record of how it was made."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any, Callable

import torch

from mmseg_maskclip.clip.pretraining import open_clip_version
from mmseg_maskclip.tinyworld.pretraining.model import SCRIPT, full_state
from mmseg_maskclip.tinyworld.pretraining.packing import pack, retrieval
from mmseg_maskclip.tinyworld.pretraining.recipe import SIZES, Recipe
from mmseg_maskclip.tinyworld.pretraining.train import train
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir
from mmseg_maskclip.utils.files import PathLike


def pretrain_to_file(recipe: Recipe, out: PathLike, workers: int = 0,
                     on_step: Callable[[int, float], None] = lambda step, loss: None,
                     resume: bool = False) -> dict[str, Any]:
    """Pretrain and write ``out`` and, beside it, the record ``out`` with suffix .json.

    The record holds the recipe, the sizes, the library versions, the loss log,
    the seconds it took and the retrieval accuracy of the weights as stored.

    Args:
        recipe: What to train.
        out: The weights file, ``*.pth``.
        workers: Processes that draw pictures beside this one.
        on_step: Called after each step with its number and loss.
        resume: Go on with an interrupted run, from the ``*.state`` file beside ``out``.

    Returns:
        The record.

    Raises:
        InputError: If the file can't be written.
    """
    out = Path(out)
    if out.suffix != '.pth':
        raise InputError(f"weights file is '{out}', expected a name ending in .pth")
    writable_dir(out.parent, 'folder')
    start = time.time()
    state_file = out.with_suffix('.state')
    model, log = train(recipe, workers, on_step, state_file, resume)
    packed = pack(model)
    seconds = round(time.time() - start)
    # Scored as stored: half precision changes the weights a little.
    model.load_state_dict(full_state(packed, recipe.model))
    record = {
        'script': SCRIPT, 'recipe': recipe.as_dict(), 'sizes': SIZES[recipe.model],
        'versions': _versions(), 'seconds': seconds, 'threads': torch.get_num_threads(),
        'retrieval': retrieval(model, recipe.seed), 'loss': log}
    with atomic_path(out) as path:
        torch.save(packed, path)
    with atomic_path(out.with_suffix('.json')) as path:
        path.write_text(json.dumps(record) + '\n', encoding='utf-8')
    state_file.unlink(missing_ok=True)
    return record


def _versions() -> dict[str, str]:
    import cv2
    import numpy
    return {'python': platform.python_version(), 'torch': torch.__version__,
            'open_clip': open_clip_version(), 'numpy': numpy.__version__, 'cv2': cv2.__version__}
