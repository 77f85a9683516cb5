"""Reads the tensors of a weights file in any format, with errors that say what is wrong."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.utils import InputError, require_file

_HEAD = 512
_ZIP = b'PK\x03\x04'
_PICKLE = b'\x80'
_NUMPY = b'\x93NUMPY'


def read_weights_file(path: str | Path, fix: str = '',
                      what: str = 'weights file') -> tuple[Any, bool]:
    """Load a weights file on the CPU.

    Args:
        path: A TorchScript archive, a file of ``torch.save``, safetensors, or NumPy's ``.npy``
            and ``.npz``.
        fix: The command that makes the file, appended to errors.
        what: What the file is for, used in errors.

    Returns:
        What it holds (the state dict of an archive), and whether it was a
        TorchScript archive.

    Raises:
        InputError: If it is missing, empty, truncated, not a weights file, or
            holds more than tensors, numbers and plain containers.
    """
    path = require_file(path, what, fix)
    hint = f' {fix}' if fix else ''
    with open(path, 'rb') as file:
        head = file.read(_HEAD)
    problem = _obvious_problem(path, head)
    if problem:
        raise InputError(f'{what} {path} {problem}.{hint}')
    try:
        if head.startswith(_NUMPY) or _is_npz(path):
            return _read_numpy(path), False
        if _is_safetensors(path, head):
            from safetensors.torch import load_file
            return load_file(str(path), device='cpu'), False
        if _is_torchscript(path):
            return _read_torchscript(path), True
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(path, map_location='cpu', weights_only=True), False
    except pickle.UnpicklingError as error:
        if 'global' not in str(error).lower():
            # torch's own message advises to load the file unsafely.
            raise InputError(f'{what} {path} is damaged or not a weights file.{hint}') from error
        raise InputError(
            f'{what} {path} holds objects other than tensors{_named(error)}, which are not '
            'loaded for safety: save its state dict alone, with '
            'torch.save(model.state_dict(), FILE).') from error
    except Exception as error:
        # The loaders fail on damaged files with errors of every kind, also from C++.
        raise InputError(f'{what} {path} is damaged or not a weights file '
                         f'({_first_line(error)}).{hint}') from error


def _obvious_problem(path: Path, head: bytes) -> str:
    if not head:
        return 'is empty (0 bytes)'
    start = head.lstrip().lower()
    if start.startswith((b'<!doctype', b'<html', b'<?xml', b'<head')):
        return 'is a web page, not a weights file (the download was answered by a page)'
    if start.startswith(b'version https://git-lfs'):
        return 'is a git-lfs pointer, not the weights file itself'
    if head.startswith(_ZIP) and not zipfile.is_zipfile(path):
        return f'is cut off ({path.stat().st_size} bytes): its end is missing'
    if not head.startswith((_ZIP, _PICKLE, _NUMPY)) and not _is_safetensors(path, head):
        return f'is not a weights file: it starts with {head[:16]!r}'
    return ''


def _is_safetensors(path: Path, head: bytes) -> bool:
    """Safetensors start with the length of a JSON header, then the header."""
    if len(head) <= 8 or head[8:9] != b'{':
        return False
    return struct.unpack('<Q', head[:8])[0] <= path.stat().st_size


def safetensors_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says beside its tensors; nothing for files of other formats.

    Args:
        path: The file.
    """
    if not path.is_file():
        return {}
    with open(path, 'rb') as file:
        if not _is_safetensors(path, file.read(_HEAD)):
            return {}
    from safetensors import safe_open

    with safe_open(str(path), framework='pt') as opened:
        return dict(opened.metadata() or {})


def _is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive; looks into it without loading it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any('/code/' in name for name in archive.namelist())


def _is_npz(path: Path) -> bool:
    """Whether a file is a zip of NumPy arrays alone."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith('.npy') for name in names)


def _read_numpy(path: Path) -> Tensor | dict[str, Tensor]:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return torch.from_numpy(found)
    with found:
        return {name: torch.from_numpy(found[name]) for name in found.files}


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        # torch deprecates TorchScript, but that is how OpenAI publishes its weights.
        warnings.simplefilter('ignore')
        return dict(torch.jit.load(str(path), map_location='cpu').state_dict())


def _numpy_scalars() -> list:
    """What NumPy's numbers are pickled with, such as the best metric of a run.

    NumPy 2 moved the function; files of either are read under either.
    """
    scalar = np.float64(0).__reduce__()[0]
    numbers = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'
    return [np.dtype, *{type(np.dtype(code)) for code in numbers},
            *((scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core'))]


def _named(error: Exception) -> str:
    """The class that torch refuses, in brackets, where its message names it."""
    found = re.search(r'GLOBAL (\S+)', str(error))
    return f' ({found[1]})' if found else ''


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
