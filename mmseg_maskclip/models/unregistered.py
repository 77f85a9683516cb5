"""Modules that a model uses without registering them."""

from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple

from torch import Tensor, nn

from mmseg_maskclip.models.weights.state_dict import state_dict_hash


class _Used(NamedTuple):
    """A module that another one uses, see :meth:`UnregisteredModules.set_unregistered`."""

    module: nn.Module | None
    moves: bool = False
    needed: bool = False


_NOTHING = _Used(None)


class UnregisteredModules:
    """Mixin: modules that are not submodules of their user.

    The frozen teacher, the classifier of the class weight and the moving
    average of a student belong to a run, but not to the model that is trained:
    no optimizer, no DDP bucket and no checkpoint sees them. They move and cast
    with their user.
    """

    def set_unregistered(self, name: str, module: nn.Module | None, moves: bool = True,
                         needed: bool = False) -> None:
        """Use a module without registering it.

        Args:
            name: Name for :meth:`unregistered`.
            module: The module; None where there is none.
            moves: Whether it moves and casts with its user; False where another
                module owns it.
            needed: Whether a test forward runs through it, so that a checkpoint that is to
                stand alone holds it, see :func:`needed_state`.
        """
        # nn.Module does not look into plain dicts.
        self.__dict__.setdefault('_unregistered', {})[name] = _Used(module, moves, needed)

    def unregistered(self, name: str) -> Any:
        """The module of that name, None where there is none."""
        return _used_by(self).get(name, _NOTHING).module

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> Any:
        # to(), cuda(), half() and float() all end here.
        for used in _used_by(self).values():
            if used.module is not None and used.moves:
                used.module._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)  # type: ignore[misc]


def unregistered_modules(model: nn.Module) -> dict[str, nn.Module]:
    """What a model and its parts use without registering it, by dotted names.

    Args:
        model: Any model.
    """
    return {name: used.module for name, used in _all_used(model) if used.module is not None}


def needed_state(model: nn.Module) -> dict[str, Tensor]:
    """State of the unregistered modules that a test forward runs through.

    Args:
        model: Any model.

    Returns:
        Tensors by the names they would have if the modules were registered.
    """
    return {key: value for name, used in _all_used(model)
            if used.needed and used.module is not None
            for key, value in used.module.state_dict(prefix=f'{name}.').items()}


def _used_by(module: Any) -> dict[str, _Used]:
    return module.__dict__.get('_unregistered', {})


def _all_used(model: nn.Module) -> Iterator[tuple[str, _Used]]:
    """What a model and its registered parts use, by dotted names."""
    for prefix, part in model.named_modules():
        for name, used in _used_by(part).items():
            yield _dotted(prefix, name), used


def _dotted(prefix: str, name: str) -> str:
    return f'{prefix}.{name}' if prefix else name


def unregistered_hashes(model: nn.Module) -> dict[str, str]:
    """State-dict hashes of what a model uses without registering it.

    Args:
        model: Any model.

    Returns:
        SHA-256 of parameters and buffers, by name.
    """
    return {name: state_dict_hash({**dict(module.named_parameters()),
                                   **dict(module.named_buffers())})
            for name, module in unregistered_modules(model).items()}


def used_modules(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all that it and its submodules use without registering it, at any depth.

    Args:
        module: Any module.

    Yields:
        The module first; one that several use is yielded for each of them.
    """
    yield module
    for found in unregistered_modules(module).values():
        yield from used_modules(found)
