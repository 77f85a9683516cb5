"""Config files, read with clear errors."""

from __future__ import annotations

import difflib
import gc
import os
import sys
from pathlib import Path
from typing import Mapping

from mmcv import Config

from mmseg_maskclip.engine.border import from_config, last_line
from mmseg_maskclip.engine.unread import READ, hint_for
from mmseg_maskclip.utils import InputError, require_file, require_number

_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package configs lie inside it, in a checkout beside it.
_FOLDERS = (_PACKAGE / 'configs', _PACKAGE.parent / 'configs')


def find_config(path: str | Path) -> Path:
    """A config file, or the shipped one of that name.

    Args:
        path: A file, or a path below ``configs/`` such as
            ``maskclip/maskclip_vit16_512x512_demo.py``.

    Raises:
        InputError: If there is neither.
    """
    for folder in _FOLDERS:
        for shipped in (folder / path, folder.parent / path):
            if not Path(path).exists() and folder in shipped.parents and shipped.is_file():
                return shipped
    return require_file(path, 'config', 'See configs/ for the shipped ones.')


def shipped_folder(name: str) -> Path:
    """A folder of shipped configs.

    Args:
        name: Its path below ``configs/``.
    """
    return next(folder / name for folder in _FOLDERS if (folder / name).is_dir())


def load_config(path: str | Path, options: dict | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Args:
        path: The config file, or the name of a shipped one (:func:`find_config`).
        options: Flat ``{'model.decode_head.ks_thresh': 1.0}`` overrides.

    Raises:
        InputError: If the file is missing or can't be read, or an option does
            not fit into it.
    """
    path = find_config(path)
    config = _parse(path)
    merge_options(config, options or {}, f'config {path}')
    return config


def merge_options(config: Config, options: dict, what: str) -> None:
    """Merge ``--cfg-options`` into a config.

    Args:
        config: Changed in place.
        options: Flat overrides, as in :func:`load_config`.
        what: What the config is, used in errors.

    Raises:
        InputError: If a part of the config is missing, or an option does not fit into it.
    """
    _check_roots(config, what, options)
    if options:
        with from_config(f'--cfg-options {options}'):
            config.merge_from_dict(options)
    _check_parts(config, what)


def _parse(path: Path) -> Config:
    """Run a config file. It is Python code: any error in it is for its author to fix."""
    hook = sys.unraisablehook
    try:
        return Config.fromfile(str(path))
    except Exception as error:
        fault = last_line(error)
        cause = error
    # mmcv's temporary file outlives its folder when a config fails; deleting it prints a warning.
    sys.unraisablehook = lambda unraisable: None
    try:
        raise InputError(f'config {path} cannot be read: {fault}') from (
            cause if os.environ.get('MASKCLIP_DEBUG') else None)
    finally:
        del cause
        # The traceback keeps the file alive; it must go while nothing is printed.
        gc.collect()
        sys.unraisablehook = hook


def _check_roots(config: Config, what: str, options: dict) -> None:
    """Check that required parts are there, and that options name existing keys."""
    _check_parts(config, what)
    imports = (config.get('custom_imports') or {}).get('imports') or []
    if 'mmseg_maskclip' in ([imports] if isinstance(imports, str) else imports):
        raise InputError(f"custom_imports of {what} names 'mmseg_maskclip', which registers "
                         "nothing with mmseg: write 'mmseg_maskclip.register'.")
    known = {*config.keys(), *READ}
    for key in options:
        root = key.split('.')[0]
        if root not in known:
            near = difflib.get_close_matches(root, known, n=1)
            hint = f', did you mean {near[0]!r}?' if near else '.'
            raise InputError(f'--cfg-options {key}: {what} has no {root!r}{hint}')
        if root not in READ:
            raise InputError(f'--cfg-options {key} has no effect, nothing reads {root!r} any more '
                             f'when {what} is read{hint_for(config, root)}')


def _check_parts(config: Config, what: str) -> None:
    """Parts that every config has."""
    for key in ('model', 'data'):
        if not isinstance(config.get(key), dict):
            raise InputError(f"{what} has no dict '{key}': it is a part of a config, not a "
                             'whole one; see configs/ for the shipped ones.')
    require_number(config.data.get('workers_per_gpu', 0), 'data.workers_per_gpu', minimum=0,
                   whole=True)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if not isinstance(config.data.get(key, {}), dict):
            raise InputError(f'data.{key} is {config.data[key]!r}, expected a dict.')


def test_settings(config: Config) -> list[dict]:
    """The settings of each data set that ``data.test`` names, one or a list.

    Raises:
        InputError: If it names none.
    """
    found = config.data.get('test')
    settings = list(found) if isinstance(found, (list, tuple)) else [found]
    if not settings or not all(isinstance(one, Mapping) for one in settings):
        raise InputError(f'data.test is {found!r}, expected a dict of the settings of a data set, '
                         'or a list of them.')
    return settings


def dataset_class(settings: Mapping) -> type:
    """The class a data set's config names; ``object`` where it names none that is known."""
    from mmseg.datasets import DATASETS

    kind = settings.get('type')
    found = kind if isinstance(kind, type) else DATASETS.get(str(kind))
    return found or object
