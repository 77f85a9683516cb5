"""The parts a training-free method is composed of: the files of ``configs/heads``."""

from __future__ import annotations

import copy
import difflib
import functools
from pathlib import Path
from typing import Any, Sequence

from mmcv import Config

from mmseg_maskclip.engine.config import shipped_folder
from mmseg_maskclip.utils import InputError

# The protocol of a method's published results. Those of plain CLIP and of MaskCLIP are from
# ClearCLIP's code, and so are GEM's without a background; CLIP Surgery's is not published.
OWN_PROTOCOL = {
    'clip': 'clearclip', 'maskclip': 'clearclip', 'sclip': 'sclip', 'clearclip': 'clearclip',
    'naclip': 'naclip', 'naclip_pamr': 'naclip', 'gem': 'clearclip', 'surgery': 'clearclip',
    'resclip': 'naclip', 'scclip': 'scclip', 'itaclip': 'itaclip'}
_WORDS = {'methods': 'method', 'protocols': 'protocol', 'datasets': 'data set'}


@functools.cache
def part_names(kind: str) -> tuple[str, ...]:
    """Names of the parts of a kind, sorted.

    Args:
        kind: ``'methods'``, ``'protocols'`` or ``'datasets'``.
    """
    return tuple(sorted(path.stem for path in shipped_folder(f'heads/{kind}').glob('*.py')))


def require_part(kind: str, name: str) -> str:
    """A name of :func:`part_names`.

    Args:
        kind: As there.
        name: What a user gave.

    Raises:
        InputError: If it is none of them.
    """
    known = part_names(kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f'did you mean {" or ".join(map(repr, near))}? Expected' if near else 'expected'
        raise InputError(f'unknown {_WORDS[kind]} {name!r}, {hint} one of {", ".join(known)}.')
    return name


def read_part(kind: str, name: str) -> Any:
    """The settings of a part, a copy that may be changed.

    Args:
        kind: As in :func:`part_names`.
        name: One of them.
    """
    return copy.deepcopy(_read(shipped_folder('heads') / kind / f'{name}.py'))


@functools.cache
def _read(path: Path) -> Any:
    return Config.fromfile(str(path))._cfg_dict


def leaf_of(method: str, dataset: str) -> Path | None:
    """The config of a method with settings of its own for a data set, where there are some.

    Args:
        method: Its name.
        dataset: The data set's.
    """
    path = shipped_folder('heads') / f'{method}_vit16_{dataset}.py'
    return path if path.is_file() else None


def read_model(method: str, dataset: str) -> Any:
    """The model of a method with its settings for a data set, a copy that may be changed.

    Args:
        method: Its name.
        dataset: The data set's.
    """
    leaf = leaf_of(method, dataset)
    return read_part('methods', method).model if leaf is None else copy.deepcopy(_read(leaf).model)


def read_protocol(protocol: str, dataset: str) -> Any:
    """What a protocol says of a data set, not to be changed.

    Args:
        protocol: Its name.
        dataset: The data set's.
    """
    return _rows(protocol)[dataset]


def _rows(protocol: str) -> Any:
    return _read(shipped_folder('heads') / 'protocols' / f'{protocol}.py').protocol


def protocols_with(dataset: str) -> tuple[str, ...]:
    """Names of the protocols that say how a data set is tested.

    Args:
        dataset: Its name.
    """
    return tuple(name for name in part_names('protocols') if dataset in _rows(name))


def choose_protocol(method: str, dataset: str, protocol: str | None) -> str:
    """The protocol that a method is tested by on a data set.

    Args:
        method: Its name.
        dataset: The data set's.
        protocol: The wanted one; None is the method's own, or the only one
            that has the data set.

    Raises:
        InputError: If it does not have the data set.
    """
    having = protocols_with(dataset)
    wanted = protocol or OWN_PROTOCOL[method]
    if wanted in having:
        return wanted
    if protocol is None and len(having) == 1:
        return having[0]
    whose = f'protocol {wanted!r}' + ('' if protocol else f', which is that of {method},')
    raise InputError(f'{whose} says nothing of data set {dataset!r}: take '
                     f'{_listed("protocol", having)}.')


def _listed(word: str, names: Sequence[str]) -> str:
    return f'{word} {" or ".join(filter(None, (", ".join(names[:-1]), names[-1])))}'
