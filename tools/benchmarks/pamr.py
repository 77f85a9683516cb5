"""Time and memory of PAMR at the size of a data set with many classes."""

from __future__ import annotations

import weakref
from typing import Callable, Sequence

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmseg_maskclip.models import ClipViT
from mmseg_maskclip.ops import pamr

from benchmarks.heads import SIZES, plain_pass
from benchmarks.speed import SIZE, median_times

QUERIES = 150
DILATIONS = (8, 16)
GOAL_MB = 90


class LiveStorages(TorchDispatchMode):
    """Follows the bytes of all tensors that operations make, and remembers the largest sum.

    Args:
        given: Tensors that are not counted, since they were there before.
    """

    def __init__(self, given: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self._given = [tensor.untyped_storage() for tensor in given]
        self._live = {id(storage): weakref.ref(storage) for storage in self._given}
        self.bytes = self.peak = 0

    def __torch_dispatch__(self, func: Callable, types: Sequence, args: tuple = (),
                           kwargs: dict | None = None) -> object:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._follow(tensor.untyped_storage())
        return made

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._live:
            return

        def gone(_: object) -> None:
            del self._live[key]
            self.bytes -= size

        self._live[key] = weakref.ref(storage, gone)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)


def extra_mb(call: Callable[[], object], given: Sequence[Tensor], device: torch.device) -> float:
    """Megabytes that a call holds at its worst, beside tensors that were there before.

    Args:
        call: What is measured.
        given: Tensors it works on.
        device: Where they are; elsewhere than on a GPU the tensors of all operations are
            followed, without what an operation needs inside.
    """
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 2 ** 20
    with LiveStorages(given) as storages:
        call()
    return storages.peak / 2 ** 20


@torch.no_grad()
def refinement_rows(arch: str, device: torch.device, repeats: int) -> list[dict]:
    """Seconds of PAMR beside a plain forward pass, and its memory beside the scores.

    Args:
        arch: Name of the CLIP ViT that it is compared with.
        device: Where both run.
        repeats: Timed runs of each.

    Returns:
        A row of seconds and a row of megabytes.
    """
    torch.manual_seed(0)
    scores = torch.rand(QUERIES, *SIZE, device=device)
    picture = torch.randn(3, *SIZE, device=device)
    image = torch.randn(1, 3, SIZES[-1], SIZES[-1], device=device)
    tower = ClipViT(arch, fidelity='clip').to(device).eval()

    def refine() -> None:
        pamr(scores, picture, 10, DILATIONS)

    seconds = median_times({'pamr': refine, 'plain': lambda: plain_pass(tower, image)}, repeats,
                           device)
    what = f'PAMR, {QUERIES} queries, {SIZE[0]} x {SIZE[1]}, 10 iterations, dilations {DILATIONS}'
    extra = extra_mb(refine, (scores, picture), device)
    return [{'what': what, 'ours_s': seconds['pamr'], 'reference_s': seconds['plain'],
             'reference': f'plain forward of {arch}, {SIZES[-1]} x {SIZES[-1]}',
             'ratio': seconds['pamr'] / seconds['plain']},
            {'what': f'its memory beside the scores, goal <= {GOAL_MB} MB'
                     + ('' if extra <= GOAL_MB else ' MISSED'),
             'extra_mb': extra, 'goal_mb': GOAL_MB, 'met': extra <= GOAL_MB,
             'plain_mb': scores.nbytes * 8 * len(DILATIONS) / 2 ** 20,
             'reference': 'a map per neighbour and query'}]
