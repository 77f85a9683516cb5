"""From a recipe to a weights file and the record of how it was made."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any, Callable, Union

import torch

from mmseg_maskclip.clip.pretraining import open_clip_version
from mmseg_maskclip.tinyworld.packing import pack, retrieval, unpack
from mmseg_maskclip.tinyworld.pretrain import SIZES, Recipe, build, train
from mmseg_maskclip.utils import InputError, atomic_path, require_file, writable_dir

PathLike = Union[str, Path]
FILES = {'TinyRN': 'tiny_rn.pth', 'TinyViT': 'tiny_vit.pth'}
WEIGHTS_DIR = Path(__file__).parent / 'weights'
SCRIPT = 'tools/maskclip_utils/pretrain_tiny_clip.py'


def pretrain_to_file(recipe: Recipe, out: PathLike, workers: int = 0,
                     on_step: Callable[[int, float], None] = lambda step, loss: None,
                     ) -> dict[str, Any]:
    """Pretrain and write ``out`` and, beside it, the record ``out`` with suffix .json.

    The record holds the recipe, the sizes, the library versions, the loss log,
    the seconds it took and the retrieval accuracy of the weights as stored.

    Args:
        recipe: What to train.
        out: The weights file, ``*.pth``.
        workers: Processes that draw pictures beside this one.
        on_step: Called after each step with its number and loss.

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
    model, log = train(recipe, workers, on_step)
    packed = pack(model)
    seconds = round(time.time() - start)
    # Scored as stored: half precision changes the weights a little.
    model.load_state_dict(_full(packed, recipe.model))
    record = {
        'script': SCRIPT, 'recipe': recipe.as_dict(), 'sizes': SIZES[recipe.model],
        'versions': _versions(), 'seconds': seconds, 'threads': torch.get_num_threads(),
        'retrieval': retrieval(model, recipe.seed), 'loss': log}
    with atomic_path(out) as path:
        torch.save(packed, path)
    with atomic_path(out.with_suffix('.json')) as path:
        path.write_text(json.dumps(record) + '\n', encoding='utf-8')
    return record


def load_tiny_clip(path: PathLike, model: str) -> torch.nn.Module:
    """An ``open_clip.CLIP`` with the weights of a file, in eval mode.

    Args:
        path: A file written by :func:`pretrain_to_file`.
        model: ``'TinyRN'`` or ``'TinyViT'``.

    Raises:
        InputError: If the file is missing.
    """
    path = require_file(path, 'tiny CLIP', f'Run: python {SCRIPT} --model {model} '
                                           f'--out {path}')
    clip = build(Recipe(model=model))
    clip.load_state_dict(_full(torch.load(path, weights_only=True), model))
    return clip.eval()


def _full(packed: dict, model: str) -> dict:
    return unpack(packed, SIZES[model]['text_cfg']['vocab_size'])


def _versions() -> dict[str, str]:
    import cv2
    import numpy
    return {'python': platform.python_version(), 'torch': torch.__version__,
            'open_clip': open_clip_version(), 'numpy': numpy.__version__, 'cv2': cv2.__version__}
