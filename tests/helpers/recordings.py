"""Recorded outputs of official code: where they are, how they are read and written.

A recording is an ``.npz`` file, plain or inside ``.xz``. An array that another file of the set
holds already is not stored again: the rows of ``same_as`` name it (key, file, its key there,
shape).
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mmseg_maskclip.clip import TextBank

FOLDER = Path(os.environ.get('MASKCLIP_PARITY_DIR')
              or Path(__file__).parents[1] / 'parity' / 'recordings').resolve()
TOWERS = {
    'vit': dict(kind='vit', width=64, layers=3, heads=4, patch_size=16, image_size=64,
                embed_dim=32),
    'rn': dict(kind='resnet', width=8, layers=(3, 4, 6, 3), heads=16, image_size=64,
               embed_dim=32),
    'deep': dict(kind='vit', width=48, layers=12, heads=4, patch_size=8, image_size=64,
                 embed_dim=32),
}
SAME_AS = 'same_as'
# Every fourth byte of float32 is alike: a tenth smaller than with the usual settings.
_FILTERS = [dict(id=lzma.FILTER_LZMA2, dict_size=1 << 23, lc=0, lp=2, pb=2, nice_len=273)]


def recorded_names(prefix: str, folder: Path = FOLDER) -> set[str]:
    """The recordings in the folder whose name starts with ``prefix``."""
    return {path.name.split('.')[0] for path in folder.glob(f'{prefix}*.npz*')}


def read(name: str, folder: Path = FOLDER) -> dict[str, np.ndarray]:
    """All arrays of one recording.

    Raises:
        FileNotFoundError: If the file is missing; the test that needs it fails.
    """
    arrays = dict(_open(name, folder))
    for key, file, source, shape in np.asarray(arrays.pop(SAME_AS, ())).tolist():
        sizes = [int(size) for size in shape.split()]
        arrays[key] = _open(file, folder)[source].reshape(sizes)
    return arrays


def write(recordings: dict[str, dict[str, np.ndarray]], folder: Path) -> None:
    """Write a set of recordings, every array once.

    Args:
        recordings: The arrays of each file.
        folder: Where the files go.
    """
    first: dict[tuple, tuple] = {}
    for name, arrays in recordings.items():
        own, same = {}, []
        for key, array in arrays.items():
            content = (array.dtype.str, hashlib.sha256(array.tobytes()).digest())
            if content in first:
                same.append((key, *first[content], ' '.join(map(str, array.shape))))
            else:
                first[content] = (name, key)
                own[key] = array
        if same:
            own[SAME_AS] = np.array(same)
        with lzma.open(folder / f'{name}.npz.xz', 'wb', filters=_FILTERS) as file:
            np.savez(file, **own)


def text_bank(embeddings: np.ndarray) -> TextBank:
    """A bank of recorded text embeddings, (7, D)."""
    return TextBank(embeddings=torch.from_numpy(embeddings), class_names=tuple('abcdefg'))


@cache
def _open(name: str, folder: Path) -> np.lib.npyio.NpzFile:
    packed = folder / f'{name}.npz.xz'
    if not packed.exists():
        return np.load(folder / f'{name}.npz')
    return np.load(io.BytesIO(lzma.decompress(packed.read_bytes())))
