"""Ids of label files that are ignored or stand for others, in training as in testing."""

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmseg_maskclip.datasets.checking import sample_labels
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.own_set import own, settings, write_own
from helpers.voc_tree import write_image, write_labels

RAW = np.array([[0, 1, 2, 255], [7, 1, 254, 2]])
FIXES = [
    ({'ignore_index': [254, 7]}, [[0, 1, 2, 255], [255, 1, 255, 2]]),
    ({'ignore_index': 0, 'remap_ids': {7: 1, 254: 255}}, [[255, 1, 2, 255], [1, 1, 255, 2]]),
    # All at once, so that two ids can be exchanged.
    ({'ignore_index': (254, 255), 'remap_ids': {1: 2, 2: 1, 7: 0}},
     [[0, 2, 1, 255], [0, 2, 255, 1]]),
    ({'ignore_index': [254, 7], 'reduce_zero_label': True}, [[255, 0, 1, 255], [255, 0, 255, 1]]),
    ({'remap_ids': {7: 0, 254: 3}, 'reduce_zero_label': True},
     [[255, 0, 1, 255], [255, 0, 2, 1]]),
    ({'ignore_index': [254, 7], 'classes': ['forest', 'road']},
     [[1, 255, 0, 255], [255, 255, 255, 0]]),
]


@cases('options, expected', FIXES)
def test_training_and_testing_see_the_same(options, expected, tmp_path):
    root = write_own(tmp_path, {'a': RAW})
    assert own(root, **options)[0]['gt_semantic_seg'].tolist() == expected
    dataset = own(root, test_mode=True, **options)
    assert dataset.get_gt_seg_map_by_idx(0).tolist() == expected
    areas = dataset.pre_eval([np.where(np.array(expected) == 255, 0, expected)], [0])[0]
    assert int(areas[3].sum()) == int(areas[0].sum()) == (np.array(expected) != 255).sum()
    counts = sample_labels(dataset)
    assert counts.ignored == (np.array(expected) == 255).sum() and not counts.outside


def test_without_the_settings_such_ids_are_outside(tmp_path):
    root = write_own(tmp_path, {'a': RAW})
    with pytest.raises(InputError, match='holds id 7, 254'):
        own(root)[0]
    with pytest.raises(InputError, match='holds label id'):
        own(root, test_mode=True).pre_eval([np.zeros((2, 4), int)], [0])


def test_ids_of_16_bits_are_renamed_before_they_are_refused(tmp_path):
    root = write_own(tmp_path, {'a': np.array([[7001, 26002, 1]])})
    dataset = own(root, remap_ids={7001: 0, 26002: 2})
    assert dataset[0]['gt_semantic_seg'].tolist() == [[0, 2, 1]]
    with pytest.raises(InputError, match='holds id 26002'):
        own(root, remap_ids={7001: 0})[0]


def test_config_that_was_written_to_a_file_reads_the_same(tmp_path):
    root = write_own(tmp_path, {'a': RAW})
    config = Config({'data': settings(root, remap_ids={7: 1, 254: 255})})
    (tmp_path / 'dump.py').write_text(config.pretty_text)
    read = Config.fromfile(str(tmp_path / 'dump.py')).data
    assert own(root, **{'remap_ids': dict(read.remap_ids)})[0]['gt_semantic_seg'].tolist() == [
        [0, 1, 2, 255], [1, 1, 255, 2]]


@cases('options, message', [
    ({'ignore_index': 'void'}, "ignore_index is 'void', expected a whole number of at least 0"),
    ({'ignore_index': [1, None]}, 'ignore_index is None'),
    ({'ignore_index': -1}, 'ignore_index is -1'),
    ({'remap_ids': [(7, 0)]}, r'remap_ids is \[\(7, 0\)\], expected a dict'),
    ({'remap_ids': {'road': 0}}, "a key of remap_ids is 'road'"),
    ({'remap_ids': {7: 300}}, r'remap_ids\[7\] is 300, expected a whole number from 0 to 255'),
    ({'remap_ids': {7: 0}, 'pipeline': [{'type': 'LoadImageFromFile'}, {
        'type': 'LoadAnnotations'}]}, "remap_ids cannot be used with 'LoadAnnotations'"),
    ({'ignore_index': 254, 'pipeline': [{'type': 'LoadImageFromFile'}, {
        'type': 'LoadAnnotations'}]}, "ignore_index cannot be used with 'LoadAnnotations'"),
])
def test_wrong_settings(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        own(write_own(tmp_path, {'a': RAW}), **options)


@pytest.mark.parametrize('orientation, said', [
    (6, True), (8, True), (3, False), (1, False)])
def test_exif_is_named_where_it_turned_the_image(orientation, said, tmp_path):
    path = write_image(tmp_path / 'JPEGImages/a.jpg', (2, 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(path).save(path, exif=exif)
    ids = np.ones((2, 4), int) if said else np.ones((4, 2), int)
    write_labels(tmp_path / 'labels/a.png', ids)
    root = tmp_path
    options = {'img_dir': 'JPEGImages', 'ann_dir': 'labels'}
    words = 'turned by its EXIF orientation and its label is not.*color_ignore_orientation'
    with pytest.raises(InputError, match=words if said else 'must have the same size'):
        own(root, **options)[0]
    seen = (4, 2) if said else (2, 4)
    with pytest.raises(InputError, match=words if said else 'has shape'):
        own(root, test_mode=True, **options).pre_eval([np.zeros(seen, int)], [0])
    if said:
        loaders = [{'type': 'LoadImageFromFile', 'color_type': 'color_ignore_orientation'},
                   {'type': 'LoadLabels'}]
        assert own(root, pipeline=loaders, **options)[0]['gt_semantic_seg'].shape == (2, 4)
