"""The converters, run as a user runs them, on small files of the true formats."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.cases import cases
from helpers.tools import assert_bad_input, call_tool, run_tool
from helpers.voc_tree import write_image, write_labels


def in_a_process(tool, *args):
    done = run_tool(f'tools/dataset_converters/{tool}.py', *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def succeed(capfd):
    def run_and_expect_0(tool, *args):
        done = call_tool(capfd, f'tools/dataset_converters/{tool}.py', *args)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run_and_expect_0


@pytest.fixture
def refuse(capfd):
    def run_and_expect_2(tool, *args):
        done = call_tool(capfd, f'tools/dataset_converters/{tool}.py', *args)
        assert_bad_input(done)
        return done.stderr.splitlines()[-1]
    return run_and_expect_2


def ids(path):
    return np.array(Image.open(path)).tolist()


def write_lines(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')


@pytest.fixture
def voc_aug(tmp_path):
    lists = tmp_path / 'VOCdevkit/VOC2012/ImageSets/Segmentation'
    write_lines(lists / 'train.txt', '2007_1', '2007_2')
    write_lines(lists / 'val.txt', '2007_3')
    sbd = tmp_path / 'benchmark_RELEASE'
    write_lines(sbd / 'dataset/train.txt', '2008_1', '2007_2')
    write_lines(sbd / 'dataset/val.txt', '2008_2', '2007_3')
    (sbd / 'dataset/cls').mkdir()
    for name, labels in (('2008_1', [[0, 15], [20, 20]]), ('2008_2', [[7, 7]]),
                         ('2007_2', [[1]]), ('2007_3', [[2]])):
        savemat(sbd / f'dataset/cls/{name}.mat', {'GTcls': {
            'Boundaries': np.zeros((20, 1), dtype=object),
            'Segmentation': np.array(labels, dtype=np.uint8),
            'CategoriesPresent': np.unique(labels)}}, do_compression=True)
    return tmp_path / 'VOCdevkit', sbd


def test_voc_aug(voc_aug, succeed):
    devkit, sbd = voc_aug
    output = in_a_process('voc_aug', devkit, sbd, '--nproc', 2)
    assert '4 label files written, 0 were there' in output
    assert 'trainaug.txt lists 4 images, aug.txt 2: the complete sets make 10582' in output
    labels = devkit / 'VOC2012/SegmentationClassAug'
    assert ids(labels / '2008_1.png') == [[0, 15], [20, 20]]
    assert ids(labels / '2008_2.png') == [[7, 7]]
    lists = devkit / 'VOC2012/ImageSets/Segmentation'
    assert (lists / 'trainaug.txt').read_text().split() == ['2007_1', '2007_2', '2008_1', '2008_2']
    assert (lists / 'aug.txt').read_text().split() == ['2008_1', '2008_2']


def test_second_run_does_only_what_is_missing_or_damaged(voc_aug, succeed):
    devkit, sbd = voc_aug
    succeed('voc_aug', devkit, sbd)
    labels = devkit / 'VOC2012/SegmentationClassAug'
    (labels / '2008_1.png').unlink()
    damaged = bytearray((labels / '2008_2.png').read_bytes())
    damaged[-20] ^= 1  # among the packed pixels: only the checksum tells
    (labels / '2008_2.png').write_bytes(damaged)
    assert '2 label files written, 2 were there already' in succeed('voc_aug', devkit, sbd)
    assert ids(labels / '2008_1.png') == [[0, 15], [20, 20]]
    assert ids(labels / '2008_2.png') == [[7, 7]]


def test_voc_aug_names_bad_files_and_does_the_others(voc_aug, tmp_path, refuse):
    devkit, sbd = voc_aug
    cls = sbd / 'dataset/cls'
    (cls / '2008_1.mat').write_bytes(b'truncated')
    savemat(cls / '2008_2.mat', {'GTinst': {'Segmentation': np.ones((2, 2))}})
    savemat(cls / '2007_2.mat', {'GTcls': {'Segmentation': np.full((2, 2), 21, np.uint8)}})
    line = refuse('voc_aug', devkit, sbd, '-o', tmp_path / 'out')
    assert '3 of 4 SBD labels' in line
    assert '2008_1.mat cannot be read' in line
    assert '2008_2.mat has no variable GTcls' in line
    assert '2007_2.mat holds id 21, expected 0 to 20, 255' in line
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['2007_3.png']
    assert not (devkit / 'VOC2012/ImageSets/Segmentation/aug.txt').exists()


def test_voc_aug_names_files_with_other_fields(voc_aug, tmp_path, refuse):
    devkit, sbd = voc_aug
    for name, record in (('2008_1', {'Boundaries': [1]}), ('2008_2', np.ones((2, 2))),
                         ('2007_2', np.empty((0, 0), dtype=[('Segmentation', object)]))):
        savemat(sbd / f'dataset/cls/{name}.mat', {'GTcls': record})
    line = refuse('voc_aug', devkit, sbd, '-o', tmp_path / 'out')
    assert '3 of 4 SBD labels' in line
    for name in ('2008_1', '2008_2', '2007_2'):
        assert f'{name}.mat has no field GTcls.Segmentation' in line


def test_voc_aug_wants_its_folders(voc_aug, tmp_path, refuse):
    devkit, sbd = voc_aug
    assert 'folder of VOC lists' in refuse('voc_aug', tmp_path / 'none', sbd)
    assert 'SBD folder' in refuse('voc_aug', devkit, tmp_path / 'none')
    (sbd / 'dataset/cls/2008_2.mat').unlink()
    assert 'the first is 2008_2.mat' in refuse('voc_aug', devkit, sbd)


@pytest.fixture
def context(tmp_path):
    voc = tmp_path / 'VOCdevkit/VOC2010'
    write_lines(voc / 'ImageSets/Main/train.txt', '2008_b', '2008_a')
    write_lines(voc / 'ImageSets/Main/val.txt', '2008_c')
    mats = tmp_path / 'trainval'
    mats.mkdir()
    # 2 aeroplane, 9 bag, 458 wood are the 1st, 2nd and 59th class; 1 and 459 are none.
    raw = {'2008_a': [[2, 9], [458, 1]], '2008_b': [[459, 360]], '2008_c': [[0, 416]]}
    for name, labels in raw.items():
        savemat(mats / f'{name}.mat', {'LabelMap': np.array(labels, dtype=np.uint16)})
    return voc.parent, mats


def test_context_from_mat_files(context, succeed):
    devkit, mats = context
    output = succeed('pascal_context', devkit, '--mat-dir', mats)
    assert 'lists 2 training and 1 validation images' in output
    labels = devkit / 'VOC2010/SegmentationClassContext'
    assert ids(labels / '2008_a.png') == [[1, 2], [59, 0]]
    # 360 and 416 are 47th and 52nd in the ascending list of 59 raw ids, counted by hand.
    assert ids(labels / '2008_b.png') == [[0, 47]]
    assert ids(labels / '2008_c.png') == [[0, 52]]
    lists = devkit / 'VOC2010/ImageSets/SegmentationContext'
    assert (lists / 'train.txt').read_text() == '2008_a\n2008_b\n'
    assert (lists / 'val.txt').read_text() == '2008_c\n'
    again = in_a_process('pascal_context', devkit, '--mat-dir', mats, '--nproc', 2)
    assert '0 label files written, 3 were there already' in again


def test_context_lists_from_json_or_given(context, tmp_path, succeed):
    devkit, mats = context
    lists = devkit / 'VOC2010/ImageSets/SegmentationContext'
    merged = tmp_path / 'merged.json'
    merged.write_text(json.dumps({'images': [
        {'file_name': '2008_a.jpg', 'phase': 'train', 'image_id': 1},
        {'file_name': '2008_b.jpg', 'phase': 'val', 'image_id': 2}]}))
    succeed('pascal_context', devkit, merged, '--mat-dir', mats)
    assert (lists / 'val.txt').read_text() == '2008_b\n'
    write_lines(tmp_path / 't.txt', '2008_c')
    write_lines(tmp_path / 'v.txt', '2008_a')
    succeed('pascal_context', devkit, '--mat-dir', mats, '--train-list', tmp_path / 't.txt',
            '--val-list', tmp_path / 'v.txt', '-o', tmp_path / 'out')
    assert (lists / 'train.txt').read_text() == '2008_c\n'
    assert (tmp_path / 'out/2008_a.png').is_file()


def test_context_bad_input(context, tmp_path, refuse):
    devkit, mats = context
    assert 'VOC folder' in refuse('pascal_context', tmp_path, '--mat-dir', mats)
    assert 'nothing to convert' in refuse('pascal_context', devkit)
    (tmp_path / 'empty').mkdir()
    assert 'no .mat file' in refuse('pascal_context', devkit, '--mat-dir', tmp_path / 'empty')
    write_lines(tmp_path / 't.txt', '2008_z')
    assert 'expected both' in refuse('pascal_context', devkit, '--mat-dir', mats,
                                     '--train-list', tmp_path / 't.txt')
    assert 'the first is 2008_z.mat' in refuse(
        'pascal_context', devkit, '--mat-dir', mats, '--train-list', tmp_path / 't.txt',
        '--val-list', tmp_path / 't.txt')
    (tmp_path / 'bad.json').write_text('{"images": [{"file_name": "a.jpg"}]}')
    assert 'is not the merged JSON' in refuse('pascal_context', devkit, tmp_path / 'bad.json',
                                              '--mat-dir', mats)
    savemat(mats / '2008_a.mat', {'LabelMap': np.array([[460]], dtype=np.uint16)})
    savemat(mats / '2008_b.mat', {'labels': np.array([[1]], dtype=np.uint16)})
    line = refuse('pascal_context', devkit, '--mat-dir', mats)
    assert '2008_a.mat holds id 460, expected 0 to 459' in line
    assert '2008_b.mat has no variable LabelMap' in line


DETAIL = '''
import numpy as np
class Detail:
    def __init__(self, annotation_file, image_folder, phase):
        self.phase = phase
    def getImgs(self):
        return [{'file_name': f'{self.phase}_{number}.jpg'} for number in range(2)]
    def getMask(self, image):
        return np.array([[0, 2], [458, int(image['file_name'][-5])]])
'''


def test_context_through_the_detail_api(context, tmp_path, monkeypatch, succeed, refuse):
    devkit, _ = context
    merged = tmp_path / 'merged.json'
    merged.write_text('{}')
    assert 'package detail, which is not installed' in refuse('pascal_context', devkit, merged)
    (tmp_path / 'site').mkdir()
    (tmp_path / 'site/detail.py').write_text(DETAIL)
    monkeypatch.syspath_prepend(tmp_path / 'site')
    output = in_a_process('pascal_context', devkit, merged)
    assert '4 label files written' in output
    labels = devkit / 'VOC2010/SegmentationClassContext'
    assert ids(labels / 'val_1.png') == [[0, 1], [59, 0]]
    lists = devkit / 'VOC2010/ImageSets/SegmentationContext'
    assert (lists / 'train.txt').read_text() == 'train_0\ntrain_1\n'


def test_coco_stuff(tmp_path, succeed):
    coco = tmp_path / 'coco'
    # Raw ids next to the removed ones, by hand: 12 loses one (11), 91 loses all eleven.
    write_labels(coco / 'annotations/val2017/000000000139.png',
                 [[0, 10, 11, 12], [90, 91, 181, 255]])
    write_labels(coco / 'annotations/train2017/000000000009.png', [[26, 27, 30, 44]])
    write_image(coco / 'images/val2017/000000000139.jpg')
    output = in_a_process('coco_stuff164k', coco, '--nproc', 2)
    assert '2 label files written' in output and '123287' in output
    assert ids(coco / 'annotations/val2017/000000000139_labelTrainIds.png') == [
        [0, 10, 255, 11], [255, 80, 170, 255]]
    assert ids(coco / 'annotations/train2017/000000000009_labelTrainIds.png') == [
        [24, 25, 26, 255]]
    assert '0 label files written, 2 were there' in succeed('coco_stuff164k', coco, '--nproc', 1)
    succeed('coco_stuff164k', coco, '-o', tmp_path / 'other', '--nproc', 1)
    assert (tmp_path / 'other/annotations/val2017/000000000139_labelTrainIds.png').is_file()
    assert (tmp_path / 'other/images/val2017/000000000139.jpg').is_file()


def test_coco_stuff_bad_input(tmp_path, refuse):
    assert 'COCO folder' in refuse('coco_stuff164k', tmp_path / 'none')
    (tmp_path / 'annotations/val2017').mkdir(parents=True)
    assert 'no pixel maps' in refuse('coco_stuff164k', tmp_path)
    write_labels(tmp_path / 'annotations/val2017/1.png', [[182]])
    (tmp_path / 'annotations/val2017/2.png').write_bytes(b'none')
    write_labels(tmp_path / 'annotations/val2017/3.png', [[1]])
    write_image(tmp_path / 'annotations/val2017/4.png')
    line = refuse('coco_stuff164k', tmp_path, '--nproc', 1)
    assert '3 of 4 pixel maps' in line
    assert '1.png holds id 182, expected 0 to 181, 255' in line
    assert '2.png cannot be read' in line
    assert '4.png holds uint8 of shape (12, 16, 3)' in line
    assert ids(tmp_path / 'annotations/val2017/3_labelTrainIds.png') == [[1]]


def test_coco_object(tmp_path, succeed):
    coco = tmp_path / 'coco'
    # By hand: the first thing is raw 0 and class 1, the last raw 89 and class 80; 11 and 90 name
    # no class, 91 is the first stuff, 255 is what nobody labelled.
    write_labels(coco / 'annotations/val2017/000000000139.png',
                 [[0, 10, 11, 12], [89, 90, 91, 255]])
    write_labels(coco / 'annotations/train2017/000000000009.png', [[26, 27, 30, 181]])
    write_image(coco / 'images/val2017/000000000139.jpg')
    output = in_a_process('coco_object', coco, '--nproc', 2)
    assert '2 label files written' in output and '123287' in output
    found = coco / 'annotations/val2017/000000000139_instanceTrainIds.png'
    assert ids(found) == [[1, 11, 0, 12], [80, 0, 0, 0]]
    assert ids(coco / 'annotations/train2017/000000000009_instanceTrainIds.png') == [
        [25, 26, 27, 0]]
    # Neither converter takes the other's files for pixel maps.
    assert '2 label files written' in succeed('coco_stuff164k', coco, '--nproc', 1)
    found.write_bytes(found.read_bytes()[:-20])
    assert '1 label files written, 1 were there' in succeed('coco_object', coco, '--nproc', 1)
    assert ids(found) == [[1, 11, 0, 12], [80, 0, 0, 0]]
    succeed('coco_object', coco, '-o', tmp_path / 'other', '--nproc', 1)
    other = tmp_path / 'other'
    assert (other / 'annotations/val2017/000000000139_instanceTrainIds.png').is_file()
    assert (other / 'images/val2017/000000000139.jpg').is_file()


def test_coco_object_bad_input(tmp_path, refuse):
    assert 'COCO folder' in refuse('coco_object', tmp_path / 'none')
    write_labels(tmp_path / 'annotations/val2017/1.png', [[182]])
    write_labels(tmp_path / 'annotations/val2017/2.png', [[1]])
    line = refuse('coco_object', tmp_path, '--nproc', 1)
    assert '1 of 2 pixel maps' in line and '1.png holds id 182, expected 0 to 181, 255' in line
    assert ids(tmp_path / 'annotations/val2017/2_instanceTrainIds.png') == [[2]]


def test_cityscapes(samples, tmp_path, succeed, refuse):
    folder = tmp_path / 'gtFine/val/frankfurt'
    folder.mkdir(parents=True)
    source = samples.root / 'cityscapes/gtFine'
    name = 'frankfurt_000000_000294_gtFine_labelTrainIds.png'
    given = {path.name for path in source.iterdir()} - {name}
    for other in given:
        shutil.copyfile(source / other, folder / other)
    assert '1 label files written, 0 were there already' in succeed('cityscapes', tmp_path)
    assert {path.name for path in folder.iterdir()} == given | {name}
    found, published = (np.array(Image.open(path / name)) for path in (folder, source))
    assert (found == published).mean() >= samples.agreement
    assert set(np.unique(found)) == set(np.unique(published))
    assert 'Cityscapes label folder' in refuse('cityscapes', tmp_path / 'none')


@cases('tool', ['voc_aug', 'pascal_context', 'coco_stuff164k', 'coco_object', 'cityscapes',
                'colour_labels'])
def test_help(tool):
    done = run_tool(f'tools/dataset_converters/{tool}.py', '--help', fresh=True)
    assert done.returncode == 0 and 'usage:' in done.stdout, done.stderr
