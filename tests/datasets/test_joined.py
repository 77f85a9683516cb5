"""Several folders or split files that are evaluated as one."""

import numpy as np
import pytest

from mmseg_maskclip.datasets import UnreadableSample
from mmseg_maskclip.datasets.joined import JoinedDataset, build_evaluated
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.own_set import CLASSES, settings, write_own

FIRST = np.array([[0, 1, 2, 255], [1, 1, 2, 2]])
SECOND = np.array([[2, 2], [0, 255]])
KINDS = {'ours': {}, 'CustomDataset': {'type': 'CustomDataset', 'classes': CLASSES},
         'CityscapesDataset': {'type': 'CityscapesDataset', 'img_suffix': '.jpg',
                               'seg_map_suffix': '.png'}}
LOAD = [{'type': 'LoadImageFromFile'}]


@pytest.fixture
def root(tmp_path):
    """Two folders with a file of one name in each."""
    write_own(tmp_path, {'a': FIRST, 'b': FIRST})
    write_own(tmp_path / 'other', {'a': SECOND})
    for number, names in enumerate(('a', 'b')):
        (tmp_path / f'list{number}.txt').write_text(names + '\n')
    return tmp_path


def two_folders(root, **options):
    return settings(root, img_dir=['images', 'other/images'],
                    ann_dir=['labels', 'other/labels'], **{'pipeline': LOAD, **options})


@pytest.mark.parametrize('kind', KINDS)
def test_folders_count_as_one(kind, root):
    dataset = build_evaluated(two_folders(root, **KINDS[kind]))
    assert isinstance(dataset, JoinedDataset) and len(dataset) == 3
    assert list(dataset.CLASSES)[:3] == list(CLASSES) or kind == 'CityscapesDataset'
    assert dataset.ann_dir == f'{root}/labels' and dataset.img_dir == f'{root}/images'
    assert dataset.get_gt_seg_map_by_idx(2).tolist() == SECOND.tolist()
    predictions = [np.zeros((2, 4), int), np.ones((2, 4), int), np.full((2, 2), 2)]
    results = [area for index, prediction in enumerate(predictions)
               for area in dataset.pre_eval([prediction], [index])]
    summed = tuple(sum(areas) for areas in zip(*results))
    # By hand: class 0 is found in a of the first folder, class 1 in b, class 2 in the third.
    names = list(dataset.CLASSES)
    for found in (dataset.evaluate(results), dataset.evaluate([summed], metric='mIoU')):
        assert found[f'IoU.{names[0]}'] == pytest.approx(1 / 9, abs=1e-3)
        assert found[f'IoU.{names[1]}'] == pytest.approx(3 / 10, abs=1e-3)
        assert found[f'IoU.{names[2]}'] == pytest.approx(2 / 9, abs=1e-3)
        assert found['aAcc'] == pytest.approx(6 / 17, abs=1e-3)


@cases('options, names', [
    ({'split': ['list0.txt', 'list1.txt']}, ['a.jpg', 'b.jpg']),
    ({'split': ['list1.txt']}, ['b.jpg']),
    ({'img_dir': ['images', 'other/images'], 'ann_dir': None}, ['a.jpg', 'b.jpg', 'a.jpg']),
    ({'img_dir': ['images', 'images'], 'split': ('list1.txt', 'list0.txt')}, ['b.jpg', 'a.jpg']),
    ({'img_dir': ['images', 'other/images'], 'ann_dir': ['labels', 'other/labels'],
      'split': 'list0.txt'}, ['a.jpg', 'a.jpg']),
    ({'separate_eval': False}, ['a.jpg', 'b.jpg']),
])
def test_lists_in_settings(options, names, root):
    dataset = build_evaluated(settings(root, **{'pipeline': LOAD, **options}))
    assert [dataset[index]['ori_filename'] for index in range(len(dataset))] == names


def test_list_of_settings_and_a_folder_of_pictures(root):
    dataset = build_evaluated([settings(root, pipeline=LOAD), settings(root / 'other',
                                                                       pipeline=LOAD)])
    assert len(dataset) == 3 and len(dataset.datasets) == 2
    pictures = build_evaluated({
        'type': 'ImageFolderDataset', 'img_dir': [f'{root}/images', f'{root}/other/images'],
        'classes': CLASSES, 'pipeline': LOAD})
    assert len(pictures) == 3 and pictures.TAKES_CLASS_NAMES and pictures.ann_dir is None


def test_unreadable_images_are_left_out_of_each(root):
    (root / 'other/images/a.jpg').write_bytes(b'')
    dataset = build_evaluated(two_folders(root), skip_unreadable=True)
    assert isinstance(dataset[2], UnreadableSample)
    for options in ({}, {'on_unreadable': 'raise'}):
        with pytest.raises(InputError, match='it is empty'):
            build_evaluated(two_folders(root, **options), bool(options))[2]


@cases('change, message', [
    ({'ann_dir': ['labels']}, 'img_dir has 2, ann_dir has 1.*as many of each'),
    ({'img_dir': []}, 'img_dir has 0, ann_dir has 2'),
    ({'ann_dir': ['labels', None]}, 'one alone has labels'),
    ({'ann_dir': ['labels', 'nowhere']}, 'label folder .*nowhere does not exist'),
])
def test_lists_that_do_not_fit(change, message, root):
    with pytest.raises(InputError, match=message):
        build_evaluated({**two_folders(root), **change})


def test_other_classes_and_metrics_of_one_set_are_refused(root):
    plain = settings(root, pipeline=LOAD, type='CustomDataset')
    with pytest.raises(InputError, match='data sets 0 and 1 .* have other classes'):
        build_evaluated([{**plain, 'classes': CLASSES}, {**plain, 'classes': CLASSES[::-1]}])
    with pytest.raises(InputError, match='list of data sets is empty'):
        build_evaluated([])
    with pytest.raises(InputError, match="metric 'cityscapes' scores the files of one"):
        build_evaluated(two_folders(root)).evaluate([], metric=['mIoU', 'cityscapes'])
