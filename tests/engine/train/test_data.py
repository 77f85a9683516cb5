"""Order and augmentation of the training data."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from mmcv import Config
from torch.utils.data import Dataset

from mmseg_maskclip.engine.train.data import (
    SeededSamples,
    TrainingBatches,
    build_train_loader,
    reseed,
)
from mmseg_maskclip.utils import InputError


class _Drawn(Dataset):
    """What each library draws, and the index."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(1).item()])


def _batches(count, first=0, **arguments):
    batches = TrainingBatches(seed=1, **arguments)
    batches.first = first
    return list(islice(batches, count))


def test_every_round_shows_all_images_in_another_order():
    images = [index for batch in _batches(15, num_images=10, batch_size=2)
              for index, _ in batch]
    rounds = [images[:10], images[10:20], images[20:]]
    assert all(sorted(order) == list(range(10)) for order in rounds)
    assert rounds[0] != rounds[1] != rounds[2] != list(range(10))


def test_batches_go_on_where_they_stopped():
    """Also in the middle of a round, with a batch across two of them."""
    arguments = dict(num_images=7, batch_size=3)
    assert _batches(20, **arguments)[13:] == _batches(7, first=13, **arguments)


def test_processes_share_the_batch_of_one():
    single = _batches(9, num_images=7, batch_size=6)
    parts = [_batches(9, num_images=7, batch_size=2, rank=rank, world=3) for rank in range(3)]
    assert single == [[*first, *second, *third] for first, second, third in zip(*parts)]


def test_another_seed_is_another_order():
    first, second = (list(islice(TrainingBatches(50, 50, seed), 1)) for seed in (0, 1))
    assert first != second


def _loaded(workers, first=0):
    config = Config(dict(data=dict(samples_per_gpu=2, workers_per_gpu=workers, train={})))
    loader = build_train_loader(_Drawn(), config, seed=3)
    loader.batch_sampler.first = first
    return list(islice(loader, 6 - first))


def test_samples_do_not_depend_on_workers_or_on_what_came_before():
    expected = _loaded(0)
    random.seed(99)
    for found in (_loaded(2), _loaded(0, first=4)):
        for batch, other in zip(expected[-len(found):], found):
            assert torch.equal(batch, other)
    drawn = torch.cat(expected)[:, 1:]
    assert len(drawn.unique(dim=0)) == 12
    assert len({*drawn.flatten().tolist()}) == 36


def test_same_image_is_drawn_anew_at_another_place():
    samples = SeededSamples(_Drawn(), seed=0)
    assert torch.equal(samples[2, 7], samples[2, 7])
    assert not torch.equal(samples[2, 7], samples[2, 12])


def test_noise_of_a_step_is_that_of_its_number():
    def noise(*key):
        reseed(*key)
        return torch.rand(3).tolist()

    assert noise(1, 5) == noise(1, 5)
    assert len({tuple(noise(*key)) for key in [(1, 5), (1, 6), (2, 5), (1, 5, 1)]}) == 4


def test_wrong_number_of_workers_is_told():
    config = Config(dict(data=dict(samples_per_gpu=2, workers_per_gpu=-1, train={})))
    with pytest.raises(InputError, match='workers_per_gpu is -1'):
        build_train_loader(_Drawn(), config, seed=3)


def test_batch_of_mixed_sizes_pads_labels_with_what_is_ignored(tiny_world):
    """Class 0 is a real class: padded with it, a student would learn it at every border."""
    from mmseg.datasets import build_dataset
    norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
    dataset = build_dataset(dict(
        type='TinyWorldDataset', data_root=str(tiny_world), img_dir='JPEGImages',
        ann_dir='SegmentationClass', split='ImageSets/Segmentation/train.txt',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadLabels'),
                  dict(type='Resize', img_scale=(256, 256), ratio_range=(0.3, 1.0)),
                  dict(type='Normalize', **norm), dict(type='DefaultFormatBundle'),
                  dict(type='Collect', keys=['img', 'gt_semantic_seg'],
                       meta_keys=('img_shape',))]))
    loader = build_train_loader(dataset, Config(dict(data=dict(
        samples_per_gpu=4, workers_per_gpu=0))), seed=0)
    batch = next(iter(loader))
    images, labels = batch['img'].data[0], batch['gt_semantic_seg'].data[0]
    sizes = [meta['img_shape'][:2] for meta in batch['img_metas'].data[0]]
    assert len(set(sizes)) > 1
    for image, label, (height, width) in zip(images, labels, sizes):
        for padded in (label[0, height:], label[0, :, width:]):
            assert (padded == 255).all()
        assert (image[:, height:] == 0).all() and (label[0, :height, :width] != 255).all()
