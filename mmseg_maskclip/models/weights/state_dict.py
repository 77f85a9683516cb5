"""State dicts: their hash, and how one differs from a model's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import Collection, Iterable, Mapping

import torch
from mmcv.utils import print_log
from torch import Tensor, nn

from mmseg_maskclip.utils import InputError

_SHOWN = 2


def state_dict_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, as 64 hexadecimal digits.

    Args:
        state: Tensors by name, on any device.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f'{name}|{value.dtype}|{tuple(value.shape)}|'.encode())
        # As bytes, since NumPy has no bfloat16.
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class StateDictDifference:
    """How a state dict differs from the one a model expects.

    Attributes:
        expected: Number of entries expected.
        missing: Names that are expected and not there.
        unexpected: Names that are there and not expected.
        misshapen: Names whose shapes differ, with both shapes.
        not_finite: Expected names that hold NaN or infinity.
        found: The first names that are there.
    """

    expected: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    not_finite: tuple[str, ...]
    found: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen or self.not_finite)

    @property
    def unusable(self) -> int:
        """Number of expected entries that cannot be loaded."""
        return len(self.missing) + len(self.misshapen)

    def __str__(self) -> str:
        parts = [f'{len(names)} of {self.expected} parameters {kind} (such as '
                 f'{", ".join(names[:_SHOWN])})'
                 for kind, names in (('are missing', self.missing),
                                     ('are of another shape', self.misshapen),
                                     ('hold NaN or infinity', self.not_finite)) if names]
        if self.unexpected:
            parts.append(f'{len(self.unexpected)} are not expected (such as '
                        f'{", ".join(self.unexpected[:_SHOWN])})')
        if self.missing and len(self.missing) == self.expected and not self.unexpected:
            parts.append(first_entries(self.found))
        return ', '.join(parts)


def compare_state_dicts(expected: Mapping[str, Tensor], found: Mapping[str, Tensor],
                        any_shape: Collection[str] = ()) -> StateDictDifference:
    """Compare a state dict with the one that is expected.

    Args:
        expected: A model's own.
        found: The one to load.
        any_shape: Names of entries that may have any shape.
    """
    common = [key for key in expected if key in found]
    return StateDictDifference(
        expected=len(expected),
        missing=tuple(key for key in expected if key not in found),
        unexpected=tuple(key for key in found if key not in expected),
        misshapen=tuple(f'{key} {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}'
                        for key in common
                        if key not in any_shape and found[key].shape != expected[key].shape),
        not_finite=tuple(key for key in common if not torch.isfinite(found[key]).all()),
        found=tuple(found)[:_SHOWN])


def first_entries(names: Iterable[str]) -> str:
    """The first names of a state dict, for an error.

    Args:
        names: All names, in order.
    """
    shown = ', '.join(islice(names, _SHOWN))
    return f'its first entries are {shown}' if shown else 'it is empty'


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], source: object, hint: str,
                 any_shape: Collection[str] = ()) -> None:
    """Load a state dict that has all of a module's entries and no others.

    Args:
        module: The module to load into.
        state: Tensors by name.
        source: Where they came from, for the error.
        hint: The fix, one sentence.
        any_shape: Names of entries that may have any shape.

    Raises:
        InputError: If an entry is missing, unexpected, of another shape or not finite.
    """
    difference = compare_state_dicts(module.state_dict(), state, any_shape)
    if difference:
        raise InputError(f'{source} does not fit: {difference}. {hint}')
    module.load_state_dict(state)


def load_fitting(module: nn.Module, state: Mapping[str, Tensor], source: object,
                 skip: tuple[str, ...] = (), at_least: float = 0.5) -> None:
    """Load the entries that fit, and log what does not.

    Args:
        module: The module to load into.
        state: Tensors by name, e.g. of a model for other classes.
        source: Where they came from.
        skip: Prefixes of the names that are not loaded.
        at_least: Share of the module's entries that must fit.

    Raises:
        InputError: If fewer do.
    """
    own, state = ({key: value for key, value in tensors.items() if not key.startswith(skip)}
                  for tensors in (module.state_dict(), state))
    difference = compare_state_dicts(own, state)
    if len(own) - difference.unusable < at_least * len(own):
        raise InputError(f'{source} does not fit: {difference}. Give a checkpoint of the same '
                         'student.')
    module.load_state_dict({key: value for key, value in state.items()
                            if key in own and own[key].shape == value.shape}, strict=False)
    if difference:
        print_log(f'{source} was loaded in part: {difference}.', 'mmseg', level=30)
