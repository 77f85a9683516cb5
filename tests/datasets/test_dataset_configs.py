"""The data set bases: facts agree with the classes, and everything builds on a tree of files."""

import copy
from functools import cache
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmseg.datasets import DATASETS, build_dataset

import mmseg_maskclip.datasets  # noqa: F401 registers the data sets
from mmseg_maskclip.clip import load_vocabulary

from helpers.cases import cases
from helpers.voc_tree import write_image, write_labels

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/_base_/datasets'
CONFIGS = sorted(FOLDER.glob('*.py'))
ZEGCLIP = sorted((FOLDER / 'zegclip').glob('*.py'))
# Test and training settings of the published data sets (long x short side; crop).
SETTINGS = {
    'pascal_voc12_aug_20': ((2048, 512), (512, 512), True, 4),
    'pascal_voc12_aug': ((2048, 512), (512, 512), False, 4),
    'pascal_context_59': ((520, 520), (480, 480), True, 4),
    'pascal_context': ((520, 520), (480, 480), False, 4),
    'coco-stuff164k': ((2048, 512), (512, 512), False, 4),
    'coco_object': ((2048, 512), (512, 512), False, 4),
    'ade20k': ((2048, 512), (512, 512), True, 4),
    'cityscapes': ((2048, 1024), (512, 1024), False, 2),
}


@cache
def _read(path):
    return mmcv.Config.fromfile(str(path))


def load(name):
    """A copy of a config that is read once for all tests."""
    return copy.deepcopy(_read(FOLDER / f'{name}.py'))


def test_all_are_here():
    assert {path.stem for path in CONFIGS} == {
        *SETTINGS, 'cityscapes_1024x512', 'image_folder', 'tinyworld', 'tinyworld_128x128'}


@cases('path', CONFIGS, ids=lambda path: path.stem)
def test_facts_agree_with_the_class(path, tmp_path):
    config = load(path.stem)
    kind = DATASETS.get(config.dataset_type)
    assert kind.__module__.startswith('mmseg_maskclip.')
    if kind.CLASSES is not None:
        assert len(kind.CLASSES) == config.num_classes
    if not isinstance(config.vocabulary, str):
        assert len(config.vocabulary) == config.num_classes
    assert list(config.vocabulary) == list(kind.CLASSES or config.vocabulary) or isinstance(
        config.vocabulary, str)
    unseen = [kind.CLASSES.index(name) for name in kind.UNSEEN]
    assert config.get('unseen', []) == sorted(unseen)
    for part in (config.data.val, config.data.test):
        assert part.pipeline[1].img_scale == config.img_scale
    config.dump(str(tmp_path / 'dumped.py'))
    assert mmcv.Config.fromfile(str(tmp_path / 'dumped.py')).data == config.data


@cases('name', SETTINGS)
def test_published_settings(name):
    config = load(name)
    scale, crop, _, samples = SETTINGS[name]
    train = {step.type: step for step in config.data.train.pipeline}
    assert config.data.test.pipeline[1].img_scale == scale
    assert train['Resize'].img_scale == scale and train['Resize'].ratio_range == (0.5, 2.0)
    assert train['RandomCrop'].crop_size == crop and train['RandomCrop'].cat_max_ratio == 0.75
    assert train['Pad'].size == crop and train['Pad'].seg_pad_val == 255
    assert train['LoadLabels'] == {'type': 'LoadLabels'}
    assert config.data.samples_per_gpu == samples


def test_half_size_cityscapes_changes_the_test_alone():
    whole, half = (load(name)
                   for name in ('cityscapes', 'cityscapes_1024x512'))
    assert half.data.test.pipeline[1].img_scale == (1024, 512)
    assert half.data.train == whole.data.train
    half.data.test.pipeline[1].img_scale = whole.img_scale
    assert half.data.test == whole.data.test


def make_files(part, root, size=(40, 60)):
    """Two labelled pictures wherever a part of a config looks for them."""
    kind = DATASETS.get(part.type)
    suffixes = {'COCOStuff164kDataset': ('.jpg', '_labelTrainIds.png'),
                'COCOObjectDataset': ('.jpg', '_instanceTrainIds.png'),
                'Cityscapes19Dataset': ('_leftImg8bit.png', '_gtFine_labelTrainIds.png')}
    image_suffix, label_suffix = suffixes.get(kind.__name__, ('.jpg', '.png'))
    lists = part.get('split') or []
    for path in [lists] if isinstance(lists, str) else lists:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text('a\nb\n')
    labels = part.get('ann_dir') or []
    for name in ('a', 'b'):
        write_image(root / part.img_dir / f'{name}{image_suffix}', size)
        for folder in [labels] if isinstance(labels, str) else labels:
            write_labels(root / folder / f'{name}{label_suffix}', np.full(size, 3))


@cases('path', [path for path in CONFIGS if path.stem != 'image_folder'],
       ids=lambda path: path.stem)
def test_training_and_test_samples(path, tmp_path):
    config = load(path.stem)
    for part in (config.data.train, config.data.val):
        part.data_root = str(tmp_path)
        make_files(part, tmp_path)
    sample = build_dataset(config.data.train)[0]
    assert sample['img'].data.shape == (3, *config.crop_size)
    labels = np.unique(sample['gt_semantic_seg'].data.numpy()).tolist()
    test_set = build_dataset(config.data.val, {'test_mode': True})
    label = 3 - test_set.reduce_zero_label
    if path.stem in SETTINGS:
        assert test_set.reduce_zero_label == SETTINGS[path.stem][2]
    assert set(labels) <= {label, 255} and label in labels
    image = test_set[0]['img'][0]
    width, height = image.shape[2], image.shape[1]
    assert width <= max(config.img_scale) and height <= min(config.img_scale)
    assert width == max(config.img_scale) or height == min(config.img_scale)
    assert test_set.get_gt_seg_map_by_idx(0).shape == (40, 60)


@cases('name', SETTINGS)
@cases('withheld', [{'unlabelled': 'all'}, {'ann_dir': None}])
def test_training_without_the_labels(name, withheld, tmp_path):
    config = load(name)
    config.data.train.update(withheld, data_root=str(tmp_path))
    make_files(config.data.train, tmp_path)
    sample = build_dataset(config.data.train)[0]
    labels = sample['gt_semantic_seg'].data
    assert labels.shape == (1, *config.crop_size) and labels.dtype == torch.int64
    # The crop is padded with 255, where no pixel of the picture is.
    assert set(labels.unique().tolist()) <= {-1, 255} and (labels == -1).any()


def test_training_on_an_image_folder(tmp_path):
    config = load('image_folder')
    write_image(tmp_path / 'x.PNG', (400, 600))
    config.data.train.img_dir = str(tmp_path)
    sample = build_dataset(config.data.train)[0]
    assert sample['img'].data.shape == (3, 512, 512)
    assert (sample['gt_semantic_seg'].data == -1).any()


def test_image_folder(tmp_path):
    config = load('image_folder')
    write_image(tmp_path / 'x.PNG')
    config.data.test.img_dir = str(tmp_path)
    dataset = build_dataset(config.data.test, {'test_mode': True})
    assert dataset[0]['img'][0].shape[1] == 512
    assert config.vocabulary == dataset.CLASSES


@cases('path', ZEGCLIP, ids=lambda path: path.stem)
def test_zegclip_changes_pipelines_and_class_names_alone(path):
    config, plain = load(f'zegclip/{path.stem}'), load(path.stem)
    names = DATASETS.get(config.dataset_type).CLASSES
    if names is not None:
        # mmseg's ADE20K has a class 'bed ', with a trailing blank.
        assert load_vocabulary(config.vocabulary).class_names == tuple(map(str.strip, names))
    for part in ('train', 'val', 'test'):
        config.data[part].pipeline = plain.data[part].pipeline
    assert config.data == plain.data
    assert (config.num_classes, config.get('unseen')) == (plain.num_classes, plain.get('unseen'))


@cases('path', [path for path in ZEGCLIP if path.stem != 'image_folder'],
       ids=lambda path: path.stem)
def test_zegclip_crops_and_its_short_side_of_512_whatever_the_long_one(path, tmp_path):
    config = load(f'zegclip/{path.stem}')
    for part in (config.data.train, config.data.val, config.data.test):
        part.data_root = str(tmp_path)
        make_files(part, tmp_path, (30, 150))
    sample = build_dataset(config.data.train)[0]
    assert sample['img'].data.shape == (3, 512, 512)
    assert sample['gt_semantic_seg'].data.shape == (1, 512, 512)
    steps = {step.type: step for step in config.data.train.pipeline}
    assert (steps['Resize'].img_scale, steps['Resize'].ratio_range) == ((2048, 512), (0.5, 2.0))
    assert steps['RandomCrop'].cat_max_ratio == 0.75 and steps['Pad'].seg_pad_val == 255
    for part in (config.data.val, config.data.test):
        assert build_dataset(part, {'test_mode': True})[0]['img'][0].shape == (3, 512, 2560)
