"""Labels that read well and can't be right."""

import numpy as np
import pytest

from mmseg_maskclip.datasets.checking import (
    LabelCounts,
    sample_labels,
    suspicion,
    warn_of_labels,
)

from helpers.cases import cases
from helpers.own_set import CLASSES, own, write_own
from helpers.voc_tree import write_voc

MASK = np.array([[0, 0, 0, 255], [0, 255, 255, 255]])
FULL = np.array([[0, 1, 2, 255], [1, 1, 2, 2]])
IGNORED = np.full((10, 10), 255)
IGNORED[0, :5] = (0, 0, 1, 2, 2)
KINDS = [{}, {'type': 'CustomDataset', 'classes': CLASSES}]


@pytest.fixture
def said(monkeypatch):
    """What is logged as a warning."""
    lines = []
    monkeypatch.setattr('mmseg_maskclip.datasets.checking.labels.print_log',
                        lambda text, *_, level: lines.append(text))
    return lines


@cases('labels, words', [
    (MASK, ["the ids 0 and 255 alone in 2 label files ('road' 50.0 %, ignored 50.0 %)",
            'black and white', 'such as 1 for 255']),
    (IGNORED, ["nearly all pixels are ignored in 2 label files ('road' 2.0 %, 'forest' 2.0 %, "
               "'field' 1.0 %, ignored 95.0 %)", 'not converted']),
    (np.full((2, 4), 1), ["'field' is the only class in 2 label files ('field' 100.0 %)",
                          'lost in a conversion']),
])
@pytest.mark.parametrize('kind', KINDS, ids=['ours', "mmseg's"])
def test_what_is_odd_is_said_once_with_shares_and_cause(labels, words, kind, said, tmp_path):
    said.clear()
    warn_of_labels(own(write_own(tmp_path, {'a': labels, 'b': labels}), **kind), 'data.train')
    assert len(said) == 1 and said[0].startswith('data.train: ')
    for word in [*words, 'tools/check_dataset.py CONFIG']:
        assert word in said[0]


@cases('labels, options', [
    ({'a': FULL, 'b': FULL}, {}),
    # A share of 94 % may be a sparsely labelled set; one file may well show one class.
    ({'a': np.where(np.arange(100).reshape(10, 10) < 6, FULL[0, 1], 255), 'b': FULL}, {}),
    ({'a': np.full((2, 4), 1)}, {}),
    # Which class it is does not matter where training sees none of them.
    ({'a': MASK, 'b': MASK}, {'unlabelled': 'all'}),
    ({'a': IGNORED, 'b': IGNORED}, {'unlabelled': 'all', 'unlabel_ignored': True}),
    ({'a': MASK, 'b': MASK}, {'ann_dir': None}),
])
def test_what_may_be_right_is_not_said(labels, options, said, tmp_path):
    said.clear()
    warn_of_labels(own(write_own(tmp_path, labels), **options), 'data.train')
    assert not said


def test_all_ignored_matters_without_classes_too(said, tmp_path):
    labels = {'a': IGNORED, 'b': IGNORED}
    warn_of_labels(own(write_own(tmp_path, labels), unlabelled='all'), 'data.train')
    assert len(said) == 1 and 'nearly all pixels are ignored' in said[0]


def test_zero_that_is_ignored_is_named_as_the_cause(said, tmp_path):
    ids = np.zeros((10, 10), int)
    ids[0, :2] = (1, 2)
    warn_of_labels(own(write_own(tmp_path, {'a': ids}), reduce_zero_label=True), 'data.train')
    assert 'ignored 98.0 %' in said[0] and 'reduce_zero_label=True, which ignores id 0' in said[0]


def test_sample_is_bounded_the_same_each_time_and_of_all_parts(tmp_path):
    labels = {f'{index:03}': np.full((1, 1), index % 3) for index in range(90)}
    root = write_own(tmp_path, labels)
    for dataset in (own(root), own(root, type='RepeatDataset', times=3, dataset={
            'type': 'OwnDataset', 'data_root': str(root), 'img_dir': 'images',
            'ann_dir': 'labels', 'pipeline': []})):
        counts = sample_labels(dataset)
        assert counts.files == 64 == sum(counts.file_ids.values())
        assert counts.file_ids == sample_labels(dataset).file_ids
        assert set(counts.file_ids) == {0, 1, 2}
    # A joined set: both folders are looked at.
    write_own(tmp_path / 'other', {'x': np.full((1, 1), 255)})
    joined = own(tmp_path, img_dir=['images', 'other/images'], ann_dir=['labels', 'other/labels'])
    assert sample_labels(joined, 1000).ignored == 1
    assert sample_labels(joined, 1000).files == 91


def test_labels_that_can_not_be_read_are_left_to_the_reader(tmp_path):
    root = write_own(tmp_path, {'a': FULL, 'b': FULL})
    (root / 'labels/a.png').unlink()
    assert sample_labels(own(root)).files == 1
    (root / 'labels/b.png').write_bytes(b'no picture')
    assert sample_labels(own(root)) is None


def test_ids_are_counted_as_the_data_set_means_them(tmp_path):
    tree = write_voc(tmp_path, {'a': [[0, 1, 20, 255, 255, 21]]})
    dataset = own(tree, type='VOC20Dataset', img_dir='JPEGImages', ann_dir='SegmentationClass',
                  split='ImageSets/Segmentation/val.txt')
    counts = sample_labels(dataset)
    assert counts.classes[[0, 19]].tolist() == [1, 1] and counts.classes.sum() == 2
    assert counts.ignored == 3 and counts.outside == {21: 1}


def test_areas_of_a_test_tell_without_the_files():
    counts = LabelCounts(np.array([50, 0, 0]), ignored=50, files=2, file_ids=None)
    assert '255, which is ignored' in suspicion(counts, CLASSES)
    counts.files = 1
    assert suspicion(counts, CLASSES) is None
