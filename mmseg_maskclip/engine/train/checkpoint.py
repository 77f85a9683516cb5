"""Training checkpoints: written atomically, read, and found again."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Mapping

import torch
from mmcv.utils import print_log

from mmseg_maskclip.clip import read_checkpoint_file
from mmseg_maskclip.utils import InputError, atomic_path

LATEST = 'latest.pth'
_NAME = re.compile(r'iter_(\d+)\.pth')


def write_checkpoint(path: Path, content: dict) -> None:
    """Write a checkpoint atomically: a killed process leaves no broken one.

    Args:
        path: The file.
        content: Tensors, numbers, strings, lists and dicts.
    """
    with atomic_path(path) as name:
        torch.save(content, name)
        # A rename may reach the disk before the content does.
        with open(name, 'rb') as file:
            os.fsync(file.fileno())


def link_latest(path: Path) -> None:
    """Let ``latest.pth`` beside a checkpoint point to it."""
    link = path.with_name(LATEST)
    temporary = path.with_name(f'.{LATEST}.{os.getpid()}')
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(path.name)
    # A link can't be changed in place; replaced by a rename, latest.pth is never missing.
    os.replace(temporary, link)


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint of training, on the CPU.

    Raises:
        InputError: If it is missing, broken, or not one that training wrote.
    """
    content = read_checkpoint_file(path)
    if not isinstance(content.raw.get('state_dict'), Mapping):
        raise InputError(f'{path} is not a checkpoint that training wrote: it has no state_dict.')
    return {**content.raw, 'meta': dict(content.meta)}


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The newest intact ``iter_N.pth`` of a folder, None without one.

    That is the one ``latest.pth`` points to, since an earlier and longer run
    may have left others; or else the one of the highest iteration.

    Args:
        work_dir: The folder, which may not exist.
    """
    found = {int(match[1]): path for path in Path(work_dir).glob('iter_*.pth')
             if (match := _NAME.fullmatch(path.name))}
    latest = (Path(work_dir) / LATEST).resolve()
    ordered = sorted(found.items(), key=lambda item: (item[1].resolve() == latest, item[0]))
    for _, path in reversed(ordered):
        try:
            read_checkpoint(path)
        except InputError as error:
            print_log(f'{error} Trying the one before.', 'mmseg', level=30)
            continue
        return path
    return None


def remove_leftovers(work_dir: Path) -> None:
    """Delete the half-written files of a killed run."""
    # The temporary names of atomic_path.
    for pattern in ('.iter_*.*.pth', '.best_*.*.pth'):
        for path in work_dir.glob(pattern):
            path.unlink(missing_ok=True)


def differing_keys(wanted: Any, found: Any, prefix: str = '') -> list[str]:
    """Dotted names of the settings in which two configs differ.

    Args:
        wanted: Plain dicts, lists, numbers, strings.
        found: The same.
        prefix: Name of both, put before their keys.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [name for key in sorted({*wanted, *found})
                for name in differing_keys(wanted.get(key), found.get(key),
                                           f'{prefix}.{key}' if prefix else key)]
    return [] if wanted == found else [prefix]
