"""A model as one function of an image and a text bank, traced for any size of both."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import Any, Iterator

import torch
from torch import Tensor, nn

from mmseg_maskclip.models.segmentors.encoding import EncodesInputs
from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.utils import InputError

_BANK = 'model.decode_head.text.embeddings'
_MOST_CELLS, _MOST_ROWS = 1 << 12, 1 << 17
# Of towers and students that take any size, whose last layers have a cell for each 32 pixels: of
# one cell torch would take the number for a fixed one.
_STEP, _LEAST_CELLS = 32, 2


class _Scores(nn.Module):
    """What a segmentor makes of a network input."""

    def __init__(self, model: EncodesInputs) -> None:
        super().__init__()
        self.model = model

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """Scores (1, K, h, w) of (1, 3, H, W), and CLIP's embedding (1, D) where there is one."""
        features = self.model.read_window(img)
        embedding = self.model.window_embedding(features)
        scores = self.model.score_features(features)
        return (scores,) if embedding is None else (scores, embedding)


class ScoreGraph(nn.Module):
    """What is exported: a segmentor whose text embeddings are an input.

    Args:
        model: The segmentor, in evaluation mode, its classes one row each.
        description: Of it.
    """

    def __init__(self, model: EncodesInputs, description: Description) -> None:
        super().__init__()
        self.scores = _Scores(model)
        self.register_buffer('mean', torch.tensor(description.mean).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(description.std).view(1, 3, 1, 1))

    def forward(self, image: Tensor, bank: Tensor) -> tuple[Tensor, ...]:
        """Scores, and CLIP's embedding where the model has one.

        Args:
            image: RGB from 0 to 255, (1, 3, H, W).
            bank: Text embeddings, (R, D).

        Returns:
            (1, R, h, w), with a learned background first, and (1, D).
        """
        return torch.func.functional_call(self.scores, {_BANK: bank},
                                          ((image - self.mean) / self.std,))


def trace(graph: ScoreGraph, description: Description) -> Any:
    """Export a graph for every size that its description allows.

    Args:
        graph: The model.
        description: Of it.

    Returns:
        A ``torch.export.ExportedProgram``.

    Raises:
        InputError: If torch can't.
    """
    patch = description.patch
    step, factor = (patch, 1) if patch > 1 else (_STEP, _STEP)
    cells = [torch.export.Dim(name, min=_LEAST_CELLS * factor, max=_MOST_CELLS * factor)
             for name in ('height', 'width')]
    sides = [patch * cell if patch > 1 else cell for cell in cells]
    rows = torch.export.Dim('rows', min=1, max=_MOST_ROWS)
    # No two sizes may be equal, nor those of the position table: torch would take them for one.
    example = (torch.rand(1, 3, 9 * step, 11 * step), torch.rand(5, description.width))
    # Guards that torch can't solve, of a ResNet's many strides, are checked when it runs.
    deferred = 'prefer_deferred_runtime_asserts_over_guards'
    known = inspect.signature(torch.export.export).parameters
    try:
        with torch.no_grad(), pools_of_any_size(graph):
            # What is made of the weights when it is first needed, such as a folded trunk, can't be
            # made while sizes have no value.
            graph(*example)
            return torch.export.export(
                graph, example, dynamic_shapes=({2: sides[0], 3: sides[1]}, {0: rows}),
                strict=False, **({deferred: True} if deferred in known else {}))
    except Exception as error:
        raise InputError('torch cannot export this model for images of any size: '
                         f'{str(error).splitlines()[0]}.') from error


class _AnySizePool(nn.Module):
    """``AdaptiveAvgPool2d``, in steps that a graph of any size can hold."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, *size)."""
        rows, columns = (_shares(wanted, own).to(x)
                         for wanted, own in zip(self.size, x.shape[2:]))
        return rows @ x @ columns.t()


def _shares(wanted: int, own: int) -> Tensor:
    """Averages of one axis, (wanted, own)."""
    place, number = torch.arange(own), torch.arange(wanted)[:, None]
    # A tensor: a number would be one of the size that is traced.
    total = place[-1] + 1
    first = (number * total).div(wanted, rounding_mode='floor')
    behind = ((number + 1) * total + wanted - 1).div(wanted, rounding_mode='floor')
    return ((place >= first) & (place < behind)) / (behind - first)


@contextmanager
def pools_of_any_size(model: nn.Module) -> Iterator[None]:
    """Within it adaptive pools of more than one cell are computed as matrices.

    Args:
        model: The model, left as it was.
    """
    found = [(parent, name, pool) for parent in model.modules()
             for name, pool in parent.named_children()
             if isinstance(pool, nn.AdaptiveAvgPool2d) and _pair(pool.output_size) != (1, 1)]
    try:
        for parent, name, pool in found:
            setattr(parent, name, _AnySizePool(_pair(pool.output_size)))
        yield
    finally:
        for parent, name, pool in found:
            setattr(parent, name, pool)


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
