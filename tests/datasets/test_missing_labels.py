"""Data sets of which only some images have labels."""

import numpy as np
import pytest

from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.own_set import own, write_own

IDS = np.array([[0, 1, 2, 255], [1, 1, 2, 2]])
UNLABELLED = np.full((6, 8), -1).tolist()


@pytest.fixture
def root(tmp_path):
    return write_own(tmp_path, {'a': IDS, 'b': None, 'c': None})


def test_images_without_a_label_count_as_unlabelled(root):
    dataset = own(root, missing_labels='unlabelled')
    assert [sample['gt_semantic_seg'].tolist() for sample in dataset] == [
        IDS.tolist(), UNLABELLED, UNLABELLED]
    # Classes that are withheld are so in the labels that there are, too.
    dataset = own(root, missing_labels='unlabelled', unlabelled='unseen')
    assert dataset[0]['gt_semantic_seg'].tolist() == [[0, 1, -1, 255], [1, 1, -1, -1]]


def test_names_of_a_list_are_looked_for_too(root):
    (root / 'list.txt').write_text('b\na\nc.jpg a.png\n')
    dataset = own(root, split='list.txt', missing_labels='unlabelled')
    assert [info['ann']['seg_map'] for info in dataset.img_infos] == [None, 'a.png', 'a.png']


def test_without_the_setting_the_error_names_it(root):
    for loaders in ([], [{'type': 'LoadImageFromFile'}]):
        options = {'pipeline': [*loaders, {'type': 'LoadLabels'}]} if loaders else {}
        with pytest.raises(InputError, match=r"labels/b\.png cannot be read.*"
                                             r"data\.train\.missing_labels to 'unlabelled'"):
            own(root, **options)[1]


def test_damaged_label_stays_an_error(root):
    (root / 'labels/b.png').write_bytes(b'no picture')
    with pytest.raises(InputError, match=r'b\.png is damaged'):
        own(root, missing_labels='unlabelled')[1]


@cases('options, message', [
    ({'missing_labels': 'ignore'}, "missing_labels is 'ignore', expected one of 'error', 'unl"),
    ({'test_mode': True}, r'is for data\.train: what has no label cannot be evaluated'),
    ({'seg_map_suffix': '_mask.png'}, r'none of the 3 images has a label file in .*labels, such '
                                      r'as a_mask\.png: check ann_dir and seg_map_suffix'),
    ({'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]},
     "missing_labels cannot be used with 'LoadAnnotations'"),
])
def test_wrong_settings(options, message, root):
    with pytest.raises(InputError, match=message):
        own(root, **{'missing_labels': 'unlabelled', **options})
