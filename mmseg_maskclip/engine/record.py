"""What is recorded with every result."""

from __future__ import annotations

import json
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from mmseg_maskclip import __version__
from mmseg_maskclip.utils import atomic_path, to_plain

_PACKAGES = ('torch', 'torchvision', 'mmcv', 'mmcv-full', 'mmsegmentation', 'open_clip_torch',
             'numpy', 'scipy', 'opencv-python-headless', 'pillow')


def versions() -> dict[str, str]:
    """Versions of everything that can change a result."""
    found = {'python': platform.python_version(), 'mmseg_maskclip': __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        found['gpu'] = torch.cuda.get_device_name()
        found['cuda'] = torch.version.cuda
    return found


def timestamp() -> str:
    """Local time as in mmseg's file names."""
    return time.strftime('%Y%m%d_%H%M%S', time.localtime())


def unused_name(path: Path) -> Path:
    """``path``, or the next free name if a run of the same second has taken it.

    Args:
        path: The preferred name.
    """
    found, count = path, 1
    while found.exists():
        found = path.with_name(f'{path.stem}_{count}{path.suffix}')
        count += 1
    return found


def write_json(path: Path, content: Any) -> None:
    """Write JSON; NaN becomes null.

    Args:
        path: The file.
        content: Dicts, lists, numbers, strings, None.
    """
    with atomic_path(path) as name:
        text = json.dumps(to_plain(content, nan_to_none=True), indent=2)
        name.write_text(text + '\n', encoding='utf-8')
