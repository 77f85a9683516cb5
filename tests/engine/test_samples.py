"""What any data set, ours or mmseg's, says of an image that fails."""

import copy
import pickle
import re

import numpy as np
import pytest
from mmcv import Config
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_maskclip.datasets import UnreadableSample
from mmseg_maskclip.engine.build import build_test_dataset
from mmseg_maskclip.engine.inference import samples_of_process
from mmseg_maskclip.engine.samples import NamedFailures, require_test_pipeline, settle_flip
from mmseg_maskclip.engine.train.data import SeededSamples, build_val_loader
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.own_set import CLASSES, own, settings, write_own
from helpers.voc_tree import write_image, write_labels

NORM = {'mean': [0, 0, 0], 'std': [1, 1, 1]}
FULL = np.array([[0, 1, 2, 255], [1, 1, 2, 2]])
KINDS = {
    'ours': {}, 'CustomDataset': {'type': 'CustomDataset', 'classes': CLASSES},
    'ADE20KDataset': {'type': 'ADE20KDataset'},
    'CityscapesDataset': {'type': 'CityscapesDataset', 'img_suffix': '.jpg',
                          'seg_map_suffix': '.png'},
}
TEST = [{'type': 'LoadImageFromFile'}, {
    'type': 'MultiScaleFlipAug', 'img_scale': (64, 64), 'flip': False, 'transforms': [
        {'type': 'Resize', 'keep_ratio': True}, {'type': 'Normalize', **NORM},
        {'type': 'ImageToTensor', 'keys': ['img']}, {'type': 'Collect', 'keys': ['img']}]}]


def train(loader='LoadLabels', flip=True):
    return [{'type': 'LoadImageFromFile'}, {'type': loader},
            {'type': 'Resize', 'img_scale': (64, 64)},
            *([{'type': 'RandomFlip', 'prob': 1.0}] if flip else []),
            {'type': 'Normalize', **NORM}, {'type': 'DefaultFormatBundle'},
            {'type': 'Collect', 'keys': ['img', 'gt_semantic_seg']}]


def _float(path):
    Image.fromarray(np.full((6, 8), 0.5, np.float32)).save(path, format='TIFF')


def _long(path):
    write_image(path, (1, 3000))
    write_labels(path.parents[1] / 'labels/a.png', np.zeros((1, 3000)))


BROKEN = [
    (_float, r'OpenCV does not read its form \(TIFF, mode F\), convert it to PNG or JPEG'),
    (_long,
     'its 3000 x 1 pixels are too long and narrow, the short side is resized to 0 pixels'),
    (lambda path: path.write_bytes(b'no picture'), 'it is damaged or not an image'),
    (lambda path: path.unlink(), 'it does not exist'),
]


@cases('breaks, reason', BROKEN)
@pytest.mark.parametrize('kind', KINDS)
def test_unreadable_image_is_left_out_of_a_test(kind, breaks, reason, tmp_path):
    root = write_own(tmp_path, {'a': FULL, 'b': FULL})
    config = Config({'data': {'workers_per_gpu': 0, 'test': settings(
        root, **{**KINDS[kind], 'pipeline': TEST})}})
    dataset = build_test_dataset(config, skip_unreadable=True)
    breaks(root / 'images/a.jpg')
    samples = dict(samples_of_process(dataset, config))
    assert isinstance(samples[0], UnreadableSample) and samples[0].index == 0
    assert samples[0].filename == str(root / 'images/a.jpg')
    assert re.search(reason, samples[0].reason)
    assert samples[1]['img'][0].shape[0] == 3


@cases('breaks, reason', BROKEN)
@pytest.mark.parametrize('kind', KINDS)
def test_unreadable_image_in_training_and_validation(kind, breaks, reason, tmp_path):
    root = write_own(tmp_path, {'a': FULL % 3, 'b': FULL % 3})
    loader = 'LoadLabels' if kind == 'ours' else 'LoadAnnotations'
    dataset = build_dataset(settings(root, **{**KINDS[kind], 'pipeline': train(loader)}))
    validation = build_dataset(settings(
        root, test_mode=True, **{**KINDS[kind], 'pipeline': TEST}))
    breaks(root / 'images/a.jpg')
    samples = SeededSamples(dataset, seed=0)
    if kind == 'ours':
        assert samples[0, 0]['img_metas'].data['ori_filename'] == 'b.jpg'
    else:
        with pytest.raises(InputError, match=rf'data\.train: image .*a\.jpg cannot be .*{reason}'):
            samples[0, 0]
    loader = build_val_loader(validation, Config({'data': {'workers_per_gpu': 0}}))
    with pytest.raises(InputError, match=rf'image .*a\.jpg cannot be read: {reason}'):
        next(iter(loader))


@pytest.mark.parametrize('kind', KINDS)
def test_step_that_fails_is_named_by_its_error(kind, tmp_path):
    root = write_own(tmp_path, {'a': FULL})
    dataset = own(root, **{**KINDS[kind], 'pipeline': [
        {'type': 'LoadImageFromFile'}, {'type': 'Collect', 'keys': ['gt_semantic_seg']}]})
    with pytest.raises(InputError, match=r"data\.train: image .*a\.jpg does not go through the "
                                         r"pipeline: KeyError: '?flip|gt_semantic_seg"):
        SeededSamples(dataset, seed=0)[0, 0]


@cases('breaks', [lambda path: path.unlink(), lambda path: path.write_bytes(b'no picture'),
                  lambda path: write_labels(path, np.ones((3, 5)))])
@pytest.mark.parametrize('kind', KINDS)
def test_label_that_does_not_fit_is_named(kind, breaks, tmp_path):
    root = write_own(tmp_path, {'a': FULL})
    breaks(root / 'labels/a.png')
    dataset = own(root, **{**KINDS[kind], 'test_mode': True, 'pipeline': TEST})
    with pytest.raises(InputError, match=r'a\.(jpg|png)'):
        NamedFailures(dataset, 'data.test').pre_eval([np.zeros((2, 4), int)], [0])


def test_image_of_a_joined_set_is_found(tmp_path):
    write_own(tmp_path, {'a': FULL})
    write_own(tmp_path / 'other', {'b': FULL, 'c': FULL})
    joined = own(tmp_path, type='CustomDataset', classes=CLASSES,
                 img_dir=['images', 'other/images'], ann_dir=['labels', 'other/labels'],
                 pipeline=train('LoadAnnotations'))
    (tmp_path / 'other/images/c.jpg').write_bytes(b'')
    named = NamedFailures(joined, 'data.train')
    assert len(named) == 3 and named.CLASSES == CLASSES
    assert [sample['img_metas'].data['ori_filename'] for sample in (named[0], named[1])] == [
        'a.jpg', 'b.jpg']
    with pytest.raises(InputError, match=r'other/images/c\.jpg cannot be read: it is empty'):
        named[2]
    repeated = build_dataset({'type': 'RepeatDataset', 'times': 2, 'dataset': settings(
        tmp_path / 'other', type='CustomDataset', classes=CLASSES,
        pipeline=train('LoadAnnotations'))})
    with pytest.raises(InputError, match=r'other/images/c\.jpg'):
        NamedFailures(repeated, 'data.train')[3]
    with pytest.raises(IndexError):
        named[3]


def test_it_can_be_sent_to_another_process(tmp_path):
    dataset = own(write_own(tmp_path, {'a': FULL}), pipeline=TEST)
    for other in (pickle.loads(pickle.dumps(NamedFailures(dataset, 'data.val'))),
                  copy.deepcopy(NamedFailures(dataset, 'data.val'))):
        assert other.CLASSES == CLASSES and len(other) == 1
        with pytest.raises(AttributeError):
            _ = other.unknown


@pytest.mark.parametrize('kind', KINDS)
def test_training_goes_without_flips(kind, tmp_path):
    root = write_own(tmp_path, {'a': FULL % 3})
    loader = 'LoadLabels' if kind == 'ours' else 'LoadAnnotations'
    for flip in (True, False):
        dataset = own(root, **{**KINDS[kind], 'pipeline': train(loader, flip)})
        settle_flip(dataset)
        meta = dataset[0]['img_metas'].data
        assert meta.get('flip', False) is flip and meta['ori_filename'] == 'a.jpg'


@pytest.mark.parametrize('kind', KINDS)
def test_test_pipeline_without_lists_is_refused_at_the_start(kind, tmp_path):
    root = write_own(tmp_path, {'a': FULL})
    flat = [TEST[0], *TEST[1]['transforms']]
    config = Config({'data': {'test': settings(root, **{**KINDS[kind], 'pipeline': flat})}})
    with pytest.raises(InputError, match=r"data\.test\.pipeline has no 'MultiScaleFlipAug'"):
        build_test_dataset(config)
    require_test_pipeline(own(root, pipeline=TEST), 'data.val')
