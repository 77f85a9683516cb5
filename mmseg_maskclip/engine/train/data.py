"""Training data whose order and augmentation depend on the seed and the iteration alone."""

from __future__ import annotations

import random
from functools import partial
from typing import Any, Iterator

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import DataContainer, collate
from mmcv.runner import get_dist_info
from mmseg.datasets import build_dataloader
from torch.utils.data import DataLoader, Dataset, Sampler

from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import require_number

_ORDER, _SAMPLE, _NOISE = range(3)
_DATASETS = ('train', 'val', 'test', 'train_dataloader', 'val_dataloader', 'test_dataloader')


def reseed(seed: int, iteration: int, process: int = 0) -> None:
    """Seed the random numbers of a training step: dropout, drop-path and the like.

    Args:
        seed: Seed of the run.
        iteration: The step, any numbering.
        process: Rank, where processes are to draw differently.
    """
    words = _words(seed, _NOISE, iteration, process)
    _seed_python(words)
    torch.manual_seed(int(words[2]))


def _words(*key: int) -> np.ndarray:
    """Three words of 32 bits, independent for different keys."""
    return np.random.SeedSequence(key).generate_state(3)


def _seed_python(words: np.ndarray) -> None:
    random.seed(int(words[0]))
    np.random.seed(words[1])


class SeededSamples(Dataset):
    """A dataset whose random transforms are seeded for each place in training.

    A sample is the same in whichever worker or process it is made.

    Args:
        dataset: Returns a sample for an image index.
        seed: Seed of the run.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed
        self._named = NamedFailures(dataset, 'data.train')

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        """One sample.

        Args:
            key: Image index, and position in training.
        """
        index, position = key
        words = _words(self.seed, _SAMPLE, position)
        _seed_python(words)
        # Not torch.manual_seed, which would queue a seeding of the GPU with every sample.
        torch.default_generator.manual_seed(int(words[2]))
        return _ignore_padded_labels(self._named[index])


def _ignore_padded_labels(sample: Any) -> Any:
    """Pad labels in a batch of mixed sizes with the ignored id, not with class 0.

    mmseg's bundle leaves padding to mmcv's ``collate``, which does not know labels.
    """
    labels = sample.get('gt_semantic_seg') if isinstance(sample, dict) else None
    if isinstance(labels, DataContainer) and labels.stack:
        sample['gt_semantic_seg'] = DataContainer(
            labels.data, stack=True, padding_value=IGNORED, pad_dims=labels.pad_dims)
    return sample


class TrainingBatches(Sampler):
    """Endless batches of (image index, position in training) of one process.

    Training goes through all images in a new random order again and again.
    The position counts images over all processes: N processes with b images
    each see in a batch exactly what one process with N x b sees.

    Args:
        num_images: Size of the dataset.
        batch_size: Images a batch of this process.
        seed: Seed of the order, the same in all processes.
        rank: This process.
        world: Number of processes.
    """

    def __init__(self, num_images: int, batch_size: int, seed: int, rank: int = 0,
                 world: int = 1) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.first = 0
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def __len__(self) -> int:
        """Batches in which all images are seen once, rounded up."""
        return -(-self.num_images // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        batch = self.first
        while True:
            start = (batch * self.world + self.rank) * self.batch_size
            yield [(self.image_at(position), position)
                   for position in range(start, start + self.batch_size)]
            batch += 1

    def image_at(self, position: int) -> int:
        """Index of the image at a position of training."""
        epoch, place = divmod(position, self.num_images)
        if self._order[0] != epoch:
            generator = np.random.default_rng([self.seed, _ORDER, epoch])
            self._order = (epoch, generator.permutation(self.num_images))
        return int(self._order[1][place])


def loader_settings(config: Config, part: str) -> dict:
    """Arguments of the data loader of ``data.train`` or ``data.val``."""
    settings = {key: value for key, value in config.data.items() if key not in _DATASETS}
    settings.update(config.data.get(f'{part}_dataloader', {}))
    return settings


def build_train_loader(dataset: Dataset, config: Config, seed: int) -> DataLoader:
    """The endless loader of the training data.

    Its ``batch_sampler.first`` is the batch it starts with.

    Args:
        dataset: The training dataset.
        config: With ``data.samples_per_gpu`` and ``data.workers_per_gpu``.
        seed: Seed of the run.

    Raises:
        InputError: If one of them is out of range.
    """
    settings = loader_settings(config, 'train')
    batch_size, workers = settings.pop('samples_per_gpu'), settings.pop('workers_per_gpu', 2)
    # mmseg's settings that would contradict TrainingBatches: its order is seeded, endless and split
    # by process.
    for name in ('shuffle', 'drop_last', 'persistent_workers', 'seed', 'dist', 'num_gpus'):
        settings.pop(name, None)
    require_number(workers, 'data.workers_per_gpu', minimum=0, whole=True)
    # Without a GPU pinning only warns.
    settings.setdefault('pin_memory', torch.cuda.is_available())
    rank, world = get_dist_info()
    return DataLoader(
        SeededSamples(dataset, seed), num_workers=workers,
        batch_sampler=TrainingBatches(len(dataset), batch_size, seed, rank, world),
        collate_fn=partial(collate, samples_per_gpu=batch_size), **settings)


def build_val_loader(dataset: Dataset, config: Config) -> DataLoader:
    """The loader of mmseg's evaluation hooks, one image at a time."""
    settings = {**loader_settings(config, 'val'), 'samples_per_gpu': 1}
    workers = settings.setdefault('workers_per_gpu', 2)
    # torch refuses persistent workers where there are no workers.
    settings['persistent_workers'] = bool(settings.get('persistent_workers', True) and workers)
    settings.setdefault('pin_memory', torch.cuda.is_available())
    settings['shuffle'] = False
    return build_dataloader(NamedFailures(dataset, 'data.val'), dist=get_dist_info()[1] > 1,
                            seed=0, **settings)
