"""Makes mmsegmentation 0.30 importable on mmcv 1.7, with or without compiled operators.

mmcv comes in two builds. ``mmcv-full`` carries compiled operators and takes
minutes to build; plain ``mmcv`` installs in seconds but mmseg 0.30 then fails
at ``import mmcv.ops``, although nothing in this project uses an operator.
Importing this module bridges that: where the compiled module is missing it
registers a placeholder whose operators raise a clear error only when called.
Every package here that imports mmseg imports this first.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import logging
import sys
import types
import warnings
from importlib import metadata
from typing import Any, Iterator

from mmseg_maskclip.utils import InputError

MMSEG_VERSION = '0.30.0'
MMCV_VERSION = '1.7.2'
_INSTALL = 'run: bash env_install.sh'


class _MissingOps(types.ModuleType):
    """Stands in for ``mmcv._ext``; every operator raises when called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise InputError(
                f"the compiled mmcv operator '{name}' is not installed: this "
                'environment has mmcv without compiled operators; '
                'run: bash env_install.sh --full')

        missing.__name__ = name
        return missing


def _version(*names: str) -> str | None:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def has_compiled_ops() -> bool:
    """Whether a real ``mmcv-full`` build is installed."""
    module = sys.modules.get('mmcv._ext')
    if module is not None:
        return not isinstance(module, _MissingOps)
    return importlib.util.find_spec('mmcv._ext') is not None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without mmcv's advice to move on to mmcv 2 and torch's remark on CUDA_HOME."""
    remarks = logging.getLogger('torch.utils.cpp_extension')
    level = remarks.level
    remarks.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='On January 1, 2023', category=UserWarning)
            yield
    finally:
        remarks.setLevel(level)


def prepare_mmcv() -> None:
    """Check the host's versions and make ``mmseg`` importable.

    Raises:
        InputError: If mmcv or mmsegmentation is missing or of a generation
            this project does not run on.
    """
    mmcv_version = _version('mmcv-full', 'mmcv')
    if mmcv_version is None:
        raise InputError(f'mmcv is not installed; {_INSTALL}')
    if not mmcv_version.startswith('1.7.'):
        raise InputError(f'mmcv {mmcv_version} is installed, expected mmcv '
                         f'{MMCV_VERSION}; {_INSTALL}')
    mmseg_version = _version('mmsegmentation')
    if mmseg_version is None:
        raise InputError(f'mmsegmentation is not installed; {_INSTALL}')
    if not mmseg_version.startswith('0.30.'):
        raise InputError(
            f'mmsegmentation {mmseg_version} is installed, expected mmsegmentation '
            f'{MMSEG_VERSION}; {_INSTALL}')
    with _quiet():
        importlib.import_module('mmcv')
        if not has_compiled_ops():
            placeholder = _MissingOps('mmcv._ext')
            # By its loader mmcv learns, as in building an optimizer, that there are no operators.
            placeholder.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
            sys.modules['mmcv._ext'] = placeholder
        importlib.import_module('mmcv.ops')


prepare_mmcv()
