"""Which packages this Python has; imports none of them."""

from __future__ import annotations

from importlib import metadata, util
from typing import NamedTuple

# By the names they are imported under: what pip calls them.
NEEDED = {
    'torch': 'torch', 'torchvision': 'torchvision', 'mmcv': 'mmcv==1.7.2',
    'mmseg': 'mmsegmentation==0.30.0', 'open_clip': 'open_clip_torch', 'timm': 'timm',
    'numpy': 'numpy', 'scipy': 'scipy', 'cv2': 'opencv-python-headless', 'PIL': 'pillow',
    'prettytable': 'prettytable', 'safetensors': 'safetensors',
    'huggingface_hub': 'huggingface_hub', 'tqdm': 'tqdm'}
OPTIONAL = {'pytest': 'pytest'}
OLDEST_TORCH = (2, 6)


class Missing(NamedTuple):
    """What is not installed, as pip calls it.

    Attributes:
        needed: Without these nothing runs.
        optional: By the names they are imported under; parts that need them are left out.
    """

    needed: list[str]
    optional: dict[str, str]

    def text(self) -> str:
        """A line that lists them."""
        lists = [', '.join(names) or 'none' for names in (self.needed, self.optional.values())]
        return f'Missing packages: {lists[0]} (needed), {lists[1]} (optional)'

    def reason(self) -> str:
        """One sentence if anything needed is missing, else empty."""
        if not self.needed:
            return ''
        return (f'this Python lacks {", ".join(self.needed)}: run bash env_install.sh, or set '
                'PYTHON to one that has all of them.')


def missing_packages() -> Missing:
    """Look for all packages, without importing any."""
    return Missing([package for name, package in NEEDED.items() if not util.find_spec(name)],
                   {name: package for name, package in OPTIONAL.items()
                    if not util.find_spec(name)})


def require_torch() -> str:
    """One sentence if torch is too old, else empty."""
    version = metadata.version('torch')
    numbers = tuple(int(part) for part in version.split('.')[:2] if part.isdigit())
    if numbers >= OLDEST_TORCH:
        return ''
    return (f'torch is {version}, expected {".".join(map(str, OLDEST_TORCH))} or newer: '
            'pip install -U torch torchvision, or set PYTHON to a Python that has it.')
