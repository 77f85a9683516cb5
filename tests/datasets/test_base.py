"""The mixin: splits, exact areas, and what it says about bad data."""

import logging
import math

import numpy as np
import pytest
import torch
from mmseg.datasets import build_dataset

from mmseg_maskclip.datasets import UnreadableSample
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.voc_tree import write_labels, write_voc

LOAD = [{'type': 'LoadImageFromFile'}]
VOC = {'img_dir': 'JPEGImages', 'ann_dir': 'SegmentationClass',
       'split': 'ImageSets/Segmentation/val.txt', 'pipeline': LOAD, 'test_mode': True}
CAT, DOG, COW, SHEEP = 7, 11, 9, 16


def voc20(root, **options):
    return build_dataset({'type': 'VOC20Dataset', 'data_root': str(root), **VOC, **options})


@pytest.fixture
def tree(tmp_path):
    first = np.array([[0, 8, 8], [12, 255, 17]])
    second = np.array([[8, 8, 8], [8, 8, 8]])
    return write_voc(tmp_path / 'VOC2012', {'a': first, 'b': second})


def test_ground_truth_is_in_class_ids(tree):
    labels = voc20(tree).get_gt_seg_map_by_idx(0)
    assert labels.tolist() == [[255, CAT, CAT], [DOG, 255, SHEEP]]
    assert voc20(tree, type='VOC21Dataset').get_gt_seg_map_by_idx(0).tolist() == [
        [0, 8, 8], [12, 255, 17]]


def test_pre_eval_and_evaluate_by_hand(tree, caplog):
    dataset = voc20(tree)
    first = np.array([[0, CAT, DOG], [DOG, 3, 0]])
    second = np.full((2, 3), CAT)
    results = dataset.pre_eval([first], [0]) + dataset.pre_eval(second, 1)
    intersect, union, pred, label = results[0]
    assert (intersect[CAT], union[CAT], pred[CAT], label[CAT]) == (1, 2, 1, 2)
    assert (intersect[SHEEP], label[SHEEP]) == (0, 1)
    assert pred.sum() == label.sum() == 4
    assert intersect.dtype == torch.int64
    logger = logging.getLogger('test_evaluate')
    with caplog.at_level('INFO'):
        figures = dataset.evaluate(results, logger=logger)
    assert figures['IoU.cat'] == pytest.approx(7 / 8)
    assert figures['IoU.dog'] == pytest.approx(1 / 2)
    assert figures['IoU.sheep'] == 0
    assert math.isnan(figures['IoU.cow'])
    assert figures['mIoU'] == pytest.approx((7 / 8 + 1 / 2) / 3)
    assert figures['mIoU(S)'] == pytest.approx((7 / 8 + 1 / 2) / 2)
    assert figures['mIoU(U)'] == 0 and figures['hIoU'] == 0
    assert next(iter(figures)) == 'aAcc'
    assert 'absent' in caplog.text and 'hIoU' in caplog.text


def test_evaluate_takes_summed_areas_and_label_maps(tree):
    dataset = voc20(tree)
    maps = [np.full((2, 3), CAT), np.full((2, 3), CAT)]
    results = dataset.pre_eval(maps, [0, 1])
    summed = tuple(sum(areas) for areas in zip(*results))
    expected = dataset.evaluate(results, metric=['mIoU', 'mDice'])
    for other in (summed, maps):
        found = dataset.evaluate(other, metric=['mIoU', 'mDice'])
        assert found == pytest.approx(expected, nan_ok=True)
    with pytest.raises(InputError, match='1 predictions were given for 2 images'):
        dataset.evaluate(maps[:1])
    with pytest.raises(InputError, match='no image was predicted'):
        dataset.evaluate([])
    with pytest.raises(InputError, match='count 3 classes'):
        dataset.evaluate([tuple(torch.zeros(3) for _ in range(4))])


def test_unseen_by_name_by_id_and_none(tree):
    assert voc20(tree).unseen_ids == (15, 16, 17, 18, 19)
    assert voc20(tree).seen_ids == tuple(range(15))
    assert voc20(tree, unseen=['cow', 2]).unseen_ids == (2, COW)
    assert voc20(tree, unseen=[]).unseen_ids == ()
    assert 'hIoU' not in voc20(tree, unseen=[]).evaluate([np.zeros((2, 3), int)] * 2)


@cases('unseen, message', [
    (['cows'], "unseen class 'cows' is not among the 20 classes.*aeroplane"),
    ([20], 'unseen class id 20 is out of range, expected 0 to 19'),
    ([-1], 'unseen class id -1 is out of range'),
    (['cow', 9], "unseen names class 'cow' .* twice"),
    ([1.5], 'unseen holds 1.5'),
    ('cow', "unseen must be a list .* got 'cow'"),
])
def test_wrong_unseen(tree, unseen, message):
    with pytest.raises(InputError, match=message):
        voc20(tree, unseen=unseen)


def test_label_ids_outside_the_classes_name_the_file(tree):
    write_labels(tree / 'SegmentationClass/b.png', [[21, 8, 8], [8, 8, 8]])
    with pytest.raises(InputError, match=r'b\.png holds label id 20, expected 0 to 19'):
        voc20(tree).pre_eval([np.zeros((2, 3), int)], [1])


def test_16_bit_labels_are_not_wrapped_into_range(tree):
    write_labels(tree / 'SegmentationClass/b.png', [[264, 8, 8], [8, 8, 8]])
    with pytest.raises(InputError, match=r'b\.png holds label id 263'):
        voc20(tree).pre_eval([np.zeros((2, 3), int)], [1])


def test_label_of_another_size_names_the_file(tree):
    with pytest.raises(InputError, match=r'a\.png has shape \(2, 3\).*\(3, 3\)'):
        voc20(tree).pre_eval([np.zeros((3, 3), int)], [0])


def test_colour_damaged_and_missing_labels(tree):
    dataset = voc20(tree)
    (tree / 'SegmentationClass/a.png').write_bytes(
        (tree / 'JPEGImages/a.jpg').read_bytes())
    with pytest.raises(InputError, match=r'a\.png has shape \(2, 3, 3\), expected one class id'):
        dataset.pre_eval([np.zeros((2, 3), int)], [0])
    (tree / 'SegmentationClass/a.png').write_bytes(b'no image')
    with pytest.raises(InputError, match=r'a\.png is damaged'):
        dataset.pre_eval([np.zeros((2, 3), int)], [0])
    (tree / 'SegmentationClass/a.png').unlink()
    with pytest.raises(InputError, match=r'a\.png cannot be read.*docs/datasets\.md'):
        dataset.pre_eval([np.zeros((2, 3), int)], [0])


def test_without_labels_it_predicts_but_does_not_evaluate(tree):
    dataset = voc20(tree, ann_dir=None)
    assert dataset.img_infos[0]['ann'] == {'seg_map': None}
    assert dataset[0]['img'].shape == (2, 3, 3)
    with pytest.raises(InputError, match=r'a\.jpg has no label'):
        dataset.pre_eval([np.zeros((2, 3), int)], [0])


@cases('options, message', [
    ({'img_dir': 'Images'}, 'image folder .*/Images does not exist.*VOCtrainval'),
    ({'ann_dir': 'SegmentationClassAug'}, 'label folder .*SegmentationClassAug.*voc_aug.py'),
    ({'split': 'ImageSets/Segmentation/aug.txt'}, 'split list .*aug.txt does not exist'),
    ({'split': None}, 'VOC20Dataset needs split'),
    ({'img_dir': None}, 'VOC20Dataset needs img_dir'),
    ({'on_unreadable': 'ignore'}, "on_unreadable is 'ignore'"),
    ({'classes': []}, 'classes of VOC20Dataset is empty'),
    ({'classes': ['cat', 'cat']}, "'cat' stands twice in classes of VOC20Dataset"),
    ({'classes': 'context'}, "'airplane' is not a class of VOC20Dataset"),
    ({'classes': ['cat', 'unicorn']}, "'unicorn' is not a class of VOC20Dataset"),
    ({'classes': ['cat', ' ']}, 'item 2 of classes of VOC20Dataset is blank'),
])
def test_wrong_set_up(tree, options, message):
    with pytest.raises(InputError, match=message):
        voc20(tree, **options)


def test_empty_split_and_blank_lines(tree):
    split = tree / 'ImageSets/Segmentation/val.txt'
    split.write_text('\n a \n\n')
    assert [info['filename'] for info in voc20(tree).img_infos] == ['a.jpg']
    split.write_text('\n\n')
    with pytest.raises(InputError, match=r'split list .*val\.txt is empty'):
        voc20(tree)


def test_folder_without_images_is_named(tmp_path):
    (tmp_path / 'images').mkdir()
    with pytest.raises(InputError, match=r'no image \*\.jpg was .* no pictures. Download ADE'):
        build_dataset({'type': 'ADE150Dataset', 'img_dir': str(tmp_path / 'images'),
                       'pipeline': LOAD, 'test_mode': True})


def test_suffix_in_the_middle_of_a_name(tmp_path):
    from helpers.voc_tree import write_image
    write_image(tmp_path / 'images/x.jpg.y.jpg')
    (tmp_path / 'labels').mkdir()
    dataset = build_dataset({'type': 'ADE150Dataset', 'img_dir': str(tmp_path / 'images'),
                             'ann_dir': str(tmp_path / 'labels'), 'pipeline': LOAD})
    assert dataset.img_infos[0]['ann']['seg_map'] == 'x.jpg.y.png'


@pytest.mark.parametrize('loader', ['LoadAnnotations', 'LoadLabels'])
def test_some_of_the_classes_in_another_order(tree, loader):
    dataset = voc20(tree, classes=['sheep', 'cat'])
    assert dataset.CLASSES == ['sheep', 'cat'] and dataset.unseen_ids == (0,)
    assert dataset.PALETTE == [[128, 64, 0], [64, 0, 0]]
    assert dataset.get_gt_seg_map_by_idx(0).tolist() == [[255, 1, 1], [255, 255, 0]]
    loaders = [*LOAD, {'type': loader, 'reduce_zero_label': True}]
    training = voc20(tree, classes=['sheep', 'cat'], pipeline=loaders, test_mode=False)
    assert training[0]['gt_semantic_seg'].tolist() == [[255, 1, 1], [255, 255, 0]]


DAMAGES = [(lambda path: path.unlink(), 'it does not exist'),
           (lambda path: path.write_bytes(b''), 'it is empty'),
           (lambda path: path.write_bytes(path.read_bytes()[:200]), 'it is damaged'),
           (lambda path: path.write_text('<html>'), 'it is damaged or not an image')]


@pytest.mark.parametrize('damage, reason', DAMAGES)
def test_unreadable_image_in_a_test(tree, damage, reason):
    damage(tree / 'JPEGImages/a.jpg')
    with pytest.raises(InputError, match=rf'a\.jpg cannot be read: {reason}'):
        voc20(tree)[0]
    sample = voc20(tree, on_unreadable='skip')[0]
    assert isinstance(sample, UnreadableSample)
    assert sample.filename.endswith('JPEGImages/a.jpg') and reason in sample.reason
    assert sample.index == 0
    assert 'img' in voc20(tree, on_unreadable='skip')[1]


def test_unreadable_image_in_training_gives_the_next(tree, caplog):
    (tree / 'JPEGImages/b.jpg').write_bytes(b'')
    loaders = [*LOAD, {'type': 'LoadLabels'}]
    dataset = voc20(tree, pipeline=loaders, test_mode=False)
    logging.getLogger('mmseg').propagate = True
    with caplog.at_level('WARNING'):
        samples = [dataset[1], dataset[1]]
    assert all(sample['ori_filename'] == 'a.jpg' for sample in samples)
    assert caplog.text.count('b.jpg cannot be read (it is empty)') == 1
    assert '(1 of 2 so far' in caplog.text
    (tree / 'JPEGImages/a.jpg').unlink()
    with pytest.raises(InputError, match='none of the 2 images'):
        dataset[0]


def test_missing_label_in_training_is_named(tree):
    (tree / 'SegmentationClass/a.png').unlink()
    loaders = [*LOAD, {'type': 'LoadLabels'}]
    dataset = voc20(tree, pipeline=loaders, test_mode=False)
    with pytest.raises(InputError, match=r'label file .*a\.png cannot be read.*voc_aug\.py'):
        dataset[0]


def test_defect_of_the_pipeline_is_not_taken_for_a_bad_image(tree):
    dataset = voc20(tree, on_unreadable='skip')

    def broken(results):
        raise ZeroDivisionError('defect')

    dataset.pipeline.transforms.append(broken)
    with pytest.raises(ZeroDivisionError):
        dataset[0]


def test_iterating_ends(tree):
    dataset = voc20(tree)
    with pytest.raises(IndexError):
        dataset[2]
    assert len(list(dataset)) == 2


def test_concatenated_training_set(tree):
    write_labels(tree / 'SegmentationClassAug/b.png', np.full((2, 3), 3))
    (tree / 'ImageSets/Segmentation/aug.txt').write_text('b\n')
    loaders = [*LOAD, {'type': 'LoadLabels'}]
    dataset = voc20(
        tree, pipeline=loaders, test_mode=False,
        ann_dir=['SegmentationClass', 'SegmentationClassAug'],
        split=['ImageSets/Segmentation/val.txt', 'ImageSets/Segmentation/aug.txt'])
    assert len(dataset) == 3
    assert dataset[2]['gt_semantic_seg'].tolist() == [[2] * 3] * 2
