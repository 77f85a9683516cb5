"""Parameters of what a test forward runs through."""

from __future__ import annotations

from torch import nn

from mmseg_maskclip.models.unregistered import used_modules


def used_parameters(module: nn.Module) -> dict[int, nn.Parameter]:
    """The parameters of a module and of what it uses without registering it, by identity.

    Args:
        module: Any module.

    Returns:
        Each parameter once, also where several modules share it.
    """
    return {id(value): value for part in used_modules(module) for value in part.parameters()}


def parameters_by_part(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Number of parameters of the parts of a segmentor: all of them, and those that learn.

    A parameter that parts share belongs to the first of them.

    Args:
        model: A segmentor, built for testing.

    Returns:
        All and learned ones (with a gradient) of ``'backbone'``, which includes a neck,
        ``'head'`` and ``'other'``, the class weight for one; of ``'auxiliary head'``, too,
        which no test forward runs through, where there is one.
    """
    parts = {'backbone': ('backbone', 'neck'), 'head': ('decode_head',),
             'auxiliary head': ('auxiliary_head',)}
    known: set[int] = set()
    found = {}
    for part, names in parts.items():
        modules = [getattr(model, name, None) for name in names]
        found[part] = _counted([module for module in modules if module is not None], known)
    found['other'] = _counted([model], known)
    if not found['auxiliary head'][0]:
        del found['auxiliary head']
    return found


def _counted(modules: list[nn.Module], known: set[int]) -> tuple[int, int]:
    """All and learned parameters that are not known yet, and now are."""
    own = {key: value for module in modules for key, value in used_parameters(module).items()
           if key not in known}
    known.update(own)
    return (sum(value.numel() for value in own.values()),
            sum(value.numel() for value in own.values() if value.requires_grad))
