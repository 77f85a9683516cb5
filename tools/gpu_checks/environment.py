"""What numbers depend on: versions, card, driver, settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator

import torch

import mmseg_maskclip.register  # noqa: F401  (so that a library that can't be imported is found)
from mmseg_maskclip.engine.record import versions


def measures(name: str, dry_run: bool, folder: Path) -> Iterator[tuple[str, Any]]:
    """One row; see :func:`gpu_checks.child.measures_of`."""
    yield name, lambda: [environment()]


def environment() -> dict:
    """The card is None where torch finds none."""
    found = {'versions': versions(), 'cuda': torch.version.cuda, 'gpu': None, 'driver': _driver(),
             'cores': len(os.sched_getaffinity(0)), 'threads': torch.get_num_threads(),
             'cudnn': torch.backends.cudnn.version(),
             'tf32': {'matmul': torch.backends.cuda.matmul.allow_tf32,
                      'cudnn': torch.backends.cudnn.allow_tf32}}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found.update(gpu=card.name, gpus=torch.cuda.device_count(),
                     memory_gb=round(card.total_memory / 2 ** 30, 1),
                     capability=[card.major, card.minor], bf16=torch.cuda.is_bf16_supported())
    return found


def _driver() -> str | None:
    command = shutil.which('nvidia-smi')
    if command is None:
        return None
    try:
        done = subprocess.run([command, '--query-gpu=driver_version', '--format=csv,noheader'],
                              capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = re.findall(r'^[0-9.]+$', done.stdout, re.MULTILINE)
    return lines[0] if lines else None
