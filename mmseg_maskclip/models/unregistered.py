"""Modules that belong to a model without being a part of it."""

from __future__ import annotations

from typing import Any, Callable

from torch import nn

from mmseg_maskclip.models.weights.state_dict_hash import digest_of


class Aside:
    """Keeps modules out of their owner's parameters, buffers and checkpoints.

    Args:
        modules: Each by a name; None where there is none.
    """

    def __init__(self, **modules: nn.Module | None) -> None:
        self.modules = modules

    def __getitem__(self, name: str) -> Any:
        return self.modules.get(name)

    def apply(self, fn: Callable, *args: Any, **kwargs: Any) -> None:
        """Move or cast all of them, as ``nn.Module._apply`` does its children."""
        for module in self.modules.values():
            if module is not None:
                module._apply(fn, *args, **kwargs)


def digests_aside(model: nn.Module) -> dict[str, str]:
    """What a model keeps aside, known by its content.

    Args:
        model: Any; one that keeps nothing gives nothing.

    Returns:
        SHA-256 of parameters and buffers, by name.
    """
    kept = getattr(model, '_aside', Aside()).modules
    return {name: digest_of({**dict(module.named_parameters()), **dict(module.named_buffers())})
            for name, module in kept.items() if module is not None}


class KeepsAside:
    """Mixin of modules whose moves and casts take along what they hold ``_aside``."""

    _aside = Aside()

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> Any:
        self._aside.apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)
