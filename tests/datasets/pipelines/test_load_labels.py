"""Labels that training may not see: -1 is unlabelled, 255 ignored."""

import numpy as np
import pytest
import torch
from mmseg.datasets import build_dataset
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import Compose

from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.voc_tree import write_image, write_labels, write_voc

# Ids as VOC's files hold them: 0 background, 1 to 20 the classes, 255 boundary.
RAW = [[0, 1, 2], [20, 17, 255]]
LOADERS = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabels'}]


@pytest.fixture
def tree(tmp_path):
    return write_voc(tmp_path, {'a': RAW})


def voc(tree, kind='VOC20Dataset', loaders=LOADERS, **options):
    return build_dataset({
        'type': kind, 'data_root': str(tree), 'img_dir': 'JPEGImages',
        'ann_dir': 'SegmentationClass', 'split': 'ImageSets/Segmentation/val.txt',
        'pipeline': loaders, **options})


def labels_of(dataset):
    return dataset[0]['gt_semantic_seg'].tolist()


@cases('kind, options, expected', [
    ('VOC20Dataset', {}, [[255, 0, 1], [19, 16, 255]]),
    ('VOC21Dataset', {}, [[0, 1, 2], [20, 17, 255]]),
    # Background and boundary are still told, as in the published annotation-free configs.
    ('VOC20Dataset', {'unlabelled': 'all'}, [[255, -1, -1], [-1, -1, 255]]),
    ('VOC21Dataset', {'unlabelled': 'all'}, [[-1, -1, -1], [-1, -1, 255]]),
    # The unseen ones are 15 to 19, and 16 to 20 where background is class 0.
    ('VOC20Dataset', {'unlabelled': 'unseen'}, [[255, 0, 1], [-1, -1, 255]]),
    ('VOC21Dataset', {'unlabelled': 'unseen'}, [[0, 1, 2], [-1, -1, 255]]),
    ('VOC20Dataset', {'unlabelled': 'unseen', 'unseen': ['aeroplane']},
     [[255, -1, 1], [19, 16, 255]]),
    # Names and ids of the data set's own indexing, in which bicycle is 1.
    ('VOC20Dataset', {'unlabelled': ['bicycle', 19]}, [[255, 0, -1], [-1, 16, 255]]),
    ('VOC20Dataset', {'unlabelled': 'all', 'unlabel_ignored': True}, [[-1] * 3] * 2),
    ('VOC20Dataset', {'unlabel_ignored': True}, [[-1, 0, 1], [19, 16, -1]]),
    ('VOC20Dataset', {'ann_dir': None}, [[-1] * 3] * 2),
    ('VOC20Dataset', {'classes': ['sheep', 'bicycle'], 'unlabelled': ['sheep']},
     [[255, 255, 1], [255, -1, 255]]),
])
def test_labels_by_hand(tree, kind, options, expected):
    assert labels_of(voc(tree, kind, **options)) == expected


def test_evaluation_sees_all_labels(tree):
    dataset = voc(tree, unlabelled='all', unlabel_ignored=True, test_mode=True)
    assert dataset.get_gt_seg_map_by_idx(0).tolist() == [[255, 0, 1], [19, 16, 255]]


def test_own_arguments_add_to_the_data_set(tree):
    loaders = [LOADERS[0], {'type': 'LoadLabels', 'suppress_labels': [0], 'unlabel_ignored': True}]
    dataset = voc(tree, loaders=loaders, unlabelled=[1])
    assert labels_of(dataset) == [[-1, -1, -1], [19, 16, -1]]


@pytest.mark.parametrize('reduce, expected', [
    (True, [[255, 0, -1], [19, -1, 255]]), (False, [[0, -1, 2], [20, 17, 255]])])
def test_without_a_data_set_of_ours(tree, reduce, expected):
    step = PIPELINES.build({'type': 'LoadLabels', 'reduce_zero_label': reduce,
                            'suppress_labels': [1, 16]})
    results = {'img': np.zeros((2, 3, 3), np.uint8), 'seg_fields': [],
               'seg_prefix': str(tree / 'SegmentationClass'), 'ann_info': {'seg_map': 'a.png'}}
    assert step(results)['gt_semantic_seg'].tolist() == expected
    assert results['seg_fields'] == ['gt_semantic_seg']


def test_ade_has_150_classes_and_void(tmp_path):
    write_image(tmp_path / 'images/a.jpg', (1, 3))
    write_labels(tmp_path / 'labels/a.png', np.array([[0, 1, 150]]))
    settings = {'type': 'ADE150Dataset', 'img_dir': str(tmp_path / 'images'),
                'ann_dir': str(tmp_path / 'labels'), 'pipeline': LOADERS}
    assert labels_of(build_dataset(dict(settings))) == [[255, 0, 149]]
    assert labels_of(build_dataset({**settings, 'unlabelled': 'all'})) == [[255, -1, -1]]
    # Shifted down it would be what is ignored.
    write_labels(tmp_path / 'labels/a.png', np.array([[0, 1, 256]]))
    with pytest.raises(InputError, match=r'a\.png holds id 256, which is outside the labels'):
        labels_of(build_dataset(dict(settings)))


def test_labels_survive_every_step_of_training(tmp_path):
    """Left half bicycle (withheld), right half cat; a third of the crop is padding."""
    ids = np.full((40, 60), 2)
    ids[:, 30:] = 8
    tree = write_voc(tmp_path, {'a': ids})
    dataset = voc(tree, unlabelled=['bicycle'], loaders=[
        *LOADERS, {'type': 'Resize', 'img_scale': (120, 80), 'ratio_range': (1.0, 1.0)},
        {'type': 'RandomCrop', 'crop_size': (80, 120), 'cat_max_ratio': 0.75},
        {'type': 'RandomFlip', 'prob': 1.0}, {'type': 'PhotoMetricDistortion'},
        {'type': 'Normalize', 'mean': [0, 0, 0], 'std': [1, 1, 1]},
        {'type': 'Pad', 'size': (120, 120), 'pad_val': 0, 'seg_pad_val': 255},
        {'type': 'DefaultFormatBundle'}, {'type': 'Collect', 'keys': ['img', 'gt_semantic_seg']}])
    labels = dataset[0]['gt_semantic_seg'].data
    assert labels.dtype == torch.int64 and labels.shape == (1, 120, 120)
    assert (labels[0, :80, :60] == 7).all()
    assert (labels[0, :80, 60:] == -1).all()
    assert (labels[0, 80:] == 255).all()


@cases('ids, message', [
    (np.full((2, 3), 21), r'a\.png holds id 21, which is outside the labels of 20 classes'),
    (np.full((2, 3), 300), r'a\.png holds id 300, which is outside the labels'),
    (np.full((3, 2), 1), r'a\.png is 2 x 3 pixels, its image 3 x 2'),
])
@cases('withheld', [{}, {'unlabelled': 'all', 'unlabel_ignored': True}])
def test_bad_label_files_are_named(tree, ids, message, withheld):
    write_labels(tree / 'SegmentationClass/a.png', ids)
    with pytest.raises(InputError, match=message):
        voc(tree, **withheld)[0]


@cases('options, message', [
    ({'unlabelled': 'everything'}, "unlabelled is 'everything', expected 'all', 'unseen'"),
    ({'unlabelled': ['unicorn']}, "unlabelled class 'unicorn' is not among the 20 classes"),
    ({'unlabelled': [20]}, 'unlabelled class id 20 is out of range, expected 0 to 19'),
    ({'unlabelled': 'unseen', 'unseen': []}, 'the data set has no unseen classes'),
    ({'unlabelled': 'all', 'loaders': [LOADERS[0], {'type': 'LoadAnnotations'}]},
     "use 'LoadLabels' in the training pipeline"),
])
def test_wrong_settings(tree, options, message):
    with pytest.raises(InputError, match=message):
        voc(tree, **options)


def test_wrong_arguments():
    with pytest.raises((InputError, TypeError), match='suppress_labels holds 255'):
        PIPELINES.build({'type': 'LoadLabels', 'suppress_labels': [255]})
    with pytest.raises(InputError, match='must follow LoadImageFromFile'):
        Compose([{'type': 'LoadLabels'}])({'ann_info': {'seg_map': None}, 'seg_fields': []})
