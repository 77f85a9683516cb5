"""Communication between the processes of a run."""

from __future__ import annotations

import os
import pickle
import warnings
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.runner import get_dist_info, init_dist
from mmseg.utils import setup_multi_processes
from torch import Tensor

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.portable.processes import OneProcess
from mmseg_maskclip.utils import InputError, atomic_path

# Of a data loader, where a config does not say.
_WORKERS = 2
_BACKENDS = ('nccl', 'gloo', 'mpi')


def limit_threads(config: Config) -> None:
    """Threads of OpenCV, OpenMP and MKL as mmseg sets them where there are workers.

    Args:
        config: May name ``mp_start_method`` and ``opencv_num_threads``.
    """
    config.data.setdefault('workers_per_gpu', _WORKERS)
    with warnings.catch_warnings(), from_config('opencv_num_threads or mp_start_method'):
        warnings.simplefilter('ignore')
        setup_multi_processes(config)


@contextmanager
def processes(launcher: str, settings: Mapping | None = None) -> Iterator[None]:
    """Join the process group of a run: nccl where there are GPUs, else gloo.

    The group is destroyed at the end, except after a failure over nccl, where
    that would wait for the other processes. A process that exits within its
    group may abort, since gloo's threads still use the interpreter.

    Args:
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.
        settings: ``dist_params`` of a config, which names the backend on GPUs.

    Raises:
        InputError: If ``'pytorch'`` is named outside torchrun, or the backend
            is not known.
    """
    if launcher == 'none':
        yield
        return
    _join(launcher, _backend_of(settings))
    failed = True
    try:
        yield
        failed = False
    finally:
        if not (failed and dist.get_backend() == 'nccl'):
            dist.destroy_process_group()


def _backend_of(settings: Mapping | None) -> str:
    settings = {} if settings is None else settings
    backend = settings.get('backend', 'nccl') if isinstance(settings, Mapping) else None
    if backend not in _BACKENDS:
        raise InputError(f'dist_params is {settings!r}, expected dict(backend=...) with one of '
                         f'{", ".join(_BACKENDS)}.')
    return backend


def _join(launcher: str, backend: str) -> None:
    if torch.cuda.is_available():
        _require_rank(launcher)
        local = int(os.environ.get('LOCAL_RANK', 0))
        # mmcv would put two processes on one GPU without a word.
        if local >= torch.cuda.device_count():
            raise InputError(f'process {local} of this machine has no GPU of its own, there are '
                             f'{torch.cuda.device_count()}: start as many processes as GPUs.')
        init_dist(launcher, backend=backend)
        return
    if launcher != 'pytorch':
        raise InputError(f"--launcher {launcher} needs GPUs; on CPU use '--launcher pytorch' "
                         'through tools/dist_test.sh or tools/dist_train.sh.')
    _require_rank(launcher)
    # Not through mmcv's init_dist, which divides by the number of GPUs.
    dist.init_process_group(backend='gloo')


def _require_rank(launcher: str) -> None:
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise InputError("--launcher pytorch expects torchrun's environment: start it by "
                         'tools/dist_train.sh CONFIG N, tools/dist_test.sh CONFIG CHECKPOINT N or '
                         'tools/dist_predict.sh N.')


@contextmanager
def main_process_first() -> Iterator[None]:
    """Run the body in the main process first, then in all others.

    The others find what it has cached, such as a text bank.
    """
    rank, world = get_dist_info()
    if world > 1 and rank > 0:
        dist.barrier()
    yield
    if world > 1 and rank == 0:
        dist.barrier()


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return get_dist_info()[0] == 0


def device_of_process() -> torch.device:
    """The GPU of this process, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device('cpu')
    return torch.device('cuda', torch.cuda.current_device())


def sum_over_processes(value: Tensor) -> Tensor:
    """Sum a tensor over all processes; every process gets it.

    Args:
        value: Any shape, the same in every process, on the CPU.

    Returns:
        The sum, on the CPU.
    """
    if get_dist_info()[1] == 1:
        return value
    # nccl sums on GPUs only; all_reduce writes into what it gets.
    on_backend = value.to(device_of_process()) if dist.get_backend() == 'nccl' else value.clone()
    dist.all_reduce(on_backend)
    return on_backend.cpu()


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a tensor over all processes, without a gradient.

    Args:
        value: The same shape everywhere, on the device of each process.
    """
    world = get_dist_info()[1]
    if world == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world


def merge_dicts(part: dict, folder: Path, use_device: bool) -> dict | None:
    """Merge every process's dict in the main one.

    Args:
        part: Items of this process; no other process has the same keys.
        folder: A folder all processes can write; used when not ``use_device``.
        use_device: Send the items through the process group instead.

    Returns:
        All items in the main process, None elsewhere.
    """
    rank, world = get_dist_info()
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    if use_device:
        dist.all_gather_object(parts, part)
    else:
        with atomic_path(folder / f'.part_{rank}.pkl') as name, open(name, 'wb') as file:
            pickle.dump(part, file)
        # All parts must be written before the main process reads them.
        dist.barrier()
        if rank == 0:
            parts = [_take(folder / f'.part_{index}.pkl') for index in range(world)]
    if rank != 0:
        return None
    return {key: value for items in parts for key, value in items.items()}


def _take(path: Path) -> dict:
    with open(path, 'rb') as file:
        items = pickle.load(file)
    path.unlink()
    return items


class ProcessGroup(OneProcess):
    """The processes of a run, one or several."""

    @property
    def rank(self) -> int:
        """See :class:`OneProcess`."""
        return get_dist_info()[0]

    @property
    def world(self) -> int:
        """See :class:`OneProcess`."""
        return get_dist_info()[1]

    def main_first(self) -> AbstractContextManager[None]:
        """See :func:`main_process_first`."""
        return main_process_first()

    def total(self, count: int) -> int:
        """See :class:`OneProcess`."""
        return int(sum_over_processes(torch.tensor(count)))

    def merge(self, part: dict, folder: Path) -> dict | None:
        """See :func:`merge_dicts`; items go through the process group."""
        return merge_dicts(part, folder, use_device=True)
