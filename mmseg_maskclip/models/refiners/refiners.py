"""The refiners of a model: built, checked, in their order."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mmseg_maskclip.models.refiners.background import Background
from mmseg_maskclip.models.refiners.class_prior import ClassPrior
from mmseg_maskclip.models.refiners.closing import Closing
from mmseg_maskclip.models.refiners.pamr import Pamr
from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.utils import InputError

ORDER = (ClassPrior, Pamr, Background, Closing)


class Refiners:
    """What is done to scores and labels after the scores; each at most once.

    Attributes:
        class_prior: On the score grid, before prompt denoising and key smoothing.
        pamr: On the scores of all queries, at the size of the label map.
        background: From these to classes.
        closing: On the label map.

    Args:
        configs: Configs of refiners, in the order above.

    Raises:
        InputError: If it is something else, one is unknown, stands twice or in another order.
    """

    class_prior: ClassPrior | None
    pamr: Pamr | None
    background: Background | None
    closing: Closing | None

    def __init__(self, configs: Sequence[Mapping] | None = None) -> None:
        self.class_prior, self.pamr, self.background, self.closing = (
            _sorted_out(_built(configs or ())))

    @property
    def needs_queries(self) -> bool:
        """Whether scores of single queries are needed, at the size of the label map."""
        return self.pamr is not None or self.background is not None


def _built(configs: Any) -> list[object]:
    if not isinstance(configs, (list, tuple)) or not all(
            isinstance(config, Mapping) for config in configs):
        raise InputError(f"model.refine is {configs!r}, expected a list such as "
                         "[dict(type='Pamr')].")
    for config in configs:
        kind = config.get('type')
        if not isinstance(kind, type) and REFINERS.get(str(kind)) is None:
            raise InputError(f'model.refine has a refiner of type {kind!r}, expected some of '
                             f'{", ".join(kind.__name__ for kind in ORDER)}.')
    return [REFINERS.build(dict(config)) for config in configs]


def _sorted_out(refiners: list[object]) -> list[Any]:
    """One refiner or None for each place in the order."""
    found: list[Any] = [None] * len(ORDER)
    last = -1
    for refiner in refiners:
        place = next((i for i, kind in enumerate(ORDER) if isinstance(refiner, kind)), -1)
        if place <= last:
            names = ', '.join(type(one).__name__ for one in refiners)
            raise InputError(f'model.refine is [{names}], expected each at most once and in this '
                             f'order: {", ".join(kind.__name__ for kind in ORDER)}.')
        found[place], last = refiner, place
    return found
