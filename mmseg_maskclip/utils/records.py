"""What is recorded with every result, and how."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from mmseg_maskclip import __version__
from mmseg_maskclip.utils.files import atomic_path
from mmseg_maskclip.utils.plain import to_plain

_PACKAGES = ('torch', 'torchvision', 'mmcv', 'mmcv-full', 'mmsegmentation', 'open_clip_torch',
             'onnxruntime', 'numpy', 'scipy', 'opencv-python-headless', 'pillow')


def versions() -> dict[str, str]:
    """Versions of everything that can change a result."""
    found = {'python': platform.python_version(), 'mmseg_maskclip': __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # Who has not imported torch runs nothing on a GPU with it.
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_available():
        found['gpu'] = torch.cuda.get_device_name()
        found['cuda'] = torch.version.cuda
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
