"""Label files of tools/test.py --format-only, compared with the model's own label maps."""

import pickle

import numpy as np
import pytest
from mmseg.datasets import ConcatDataset, build_dataset
from PIL import Image

from mmseg_maskclip.engine.results.label_files import LabelFiles, name_within
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input, run_processes
from helpers.voc_tree import write_image, write_labels

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
TOOL = 'tools/test.py'
PIPELINE = [{'type': 'LoadImageFromFile'}]


def ids(path):
    with Image.open(path) as picture:
        assert picture.mode == 'P', picture.mode
        return np.array(picture)


def _options(world):
    return ['--cfg-options', f'data.test.data_root={world}', 'data.workers_per_gpu=0']


def test_files_of_two_processes_are_the_label_maps_of_one(tiny_world, tiny_rn, tmp_path, call_tool):
    done = call_tool(TOOL, CONFIG, tiny_rn, '--out', tmp_path / 'maps.pkl', '--work-dir', tmp_path,
                     *_options(tiny_world))
    assert done.returncode == 0, done.stderr
    for done in run_processes(TOOL, CONFIG, tiny_rn, '--format-only', '--work-dir', tmp_path,
                              *_options(tiny_world)):
        assert done.returncode == 0, done.stderr
    with open(tmp_path / 'maps.pkl', 'rb') as file:
        maps = pickle.load(file)
    names = (tiny_world / 'ImageSets/Segmentation/val.txt').read_text().split()
    found = tmp_path / 'format_results'
    assert sorted(path.name for path in found.iterdir()) == sorted(
        ['classes.txt', *(f'{name}.png' for name in names)])
    for labels, name in zip(maps, names):
        assert np.array_equal(ids(found / f'{name}.png'), labels), name
    from mmseg_maskclip.tinyworld import CLASSES, PALETTE
    assert (found / 'classes.txt').read_text().split('\n')[:-1] == list(CLASSES)
    with Image.open(found / f'{names[0]}.png') as picture:
        assert picture.getpalette()[:42] == np.ravel(PALETTE).tolist()


def test_folder_of_pictures_keeps_its_subfolders(tiny_world, tiny_rn, tmp_path, call_tool):
    pictures, config = tmp_path / 'pictures', tmp_path / 'folder.py'
    first = sorted((tiny_world / 'JPEGImages').iterdir())[0]
    for name in ('a.jpg', 'day one/a.jpg', 'day one/b.jpg', 'day one/b.png'):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith('.png'):
            Image.open(first).save(pictures / name)
        else:
            (pictures / name).write_bytes(first.read_bytes())
    config.write_text(
        f"_base_ = ['{ROOT}/configs/_base_/models/maskclip_tinyrn.py',\n"
        f"          '{ROOT}/configs/_base_/datasets/image_folder.py',\n"
        f"          '{ROOT}/configs/_base_/default_runtime.py']\n")
    arguments = [TOOL, config, tiny_rn, '--img-dir', pictures, '--classes', 'sky', 'grass; forest',
                 '--background', 'sand', '--format-only', '--work-dir', tmp_path / 'work']
    out = tmp_path / 'my labels'
    done = call_tool(*arguments, '--eval-options', f'imgfile_prefix={out}', '--cfg-options',
                     'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout + done.stderr
    assert sorted(str(path.relative_to(out)) for path in out.rglob('*.png')) == [
        'a.png', 'day one/a.png', 'day one/b.jpg.png', 'day one/b.png.png']
    assert ids(out / 'day one/a.png').max() <= 2
    # One way in and out: the written list of classes is one that --classes reads.
    assert (out / 'classes.txt').read_text() == 'sky\ngrass\nsand\n'
    for folder in (pictures, pictures / 'labels'):
        done = call_tool(*arguments, '--eval-options', f'imgfile_prefix={folder}')
        assert_bad_input(done, 'image folder', 'another folder')


def _set(root, kind, **settings):
    return build_dataset({'type': kind, 'data_root': str(root), 'img_dir': 'images',
                          'pipeline': PIPELINE, 'test_mode': True, **settings})


@pytest.fixture
def root(tmp_path):
    for name in ('x/one', 'two'):
        write_image(tmp_path / f'images/{name}.jpg', (2, 2))
        write_image(tmp_path / f'images/{name}_leftImg8bit.png', (2, 2))
        write_labels(tmp_path / f'labels/{name}.png', np.ones((2, 2)))
    (tmp_path / 'val.txt').write_text('x/one\ntwo\n')
    return tmp_path


@cases('kind, settings, written, listed', [
    # Ids of the files: shifted where zero is reduced, and those of all classes in a subset.
    ('VOC20Dataset', {'split': 'val.txt'}, [1, 2], ['__ignore__', 'aeroplane', 'bicycle']),
    ('VOC21Dataset', {'split': 'val.txt', 'classes': ['sheep', 'bicycle']}, [17, 2],
     ['__ignore__', '__ignore__', 'bicycle']),
    ('Context59Dataset', {'split': 'val.txt', 'classes': ['sky', 'bag']}, [47, 2], None),
    ('COCOStuff164kDataset', {}, [0, 1], ['person', 'bicycle', 'car']),
    ('CustomDataset', {'classes': ['a', 'b'], 'reduce_zero_label': True}, [1, 2],
     ['__ignore__', 'a', 'b']),
    ('PascalVOCDataset', {'split': 'val.txt', 'classes': ['person', 'cat']}, [15, 8], None)])
def test_ids_are_those_of_the_label_files(kind, settings, written, listed, root, tmp_path):
    dataset = _set(root, kind, ann_dir='labels', **settings)
    files = LabelFiles(dataset, {}, str(tmp_path))
    names = [info['filename'] for info in dataset.img_infos]
    files.write(np.array([[0, 1]]), names.index('x/one.jpg'))
    files.finish()
    path = tmp_path / 'format_results/x/one.png'
    assert ids(path).tolist() == [written]
    with Image.open(path) as picture:
        palette = np.reshape(picture.getpalette(), (-1, 3))
        assert palette[written].tolist() == np.asarray(dataset.PALETTE[:2]).tolist()
    lines = (tmp_path / 'format_results/classes.txt').read_text().splitlines()
    assert lines[written[0]] == dataset.CLASSES[0]
    assert listed is None or lines[:len(listed)] == listed


def test_written_labels_are_what_the_data_set_reads(root, tmp_path):
    """The round trip: a label file that was written is the truth it was written from."""
    for kind, settings in (('VOC20Dataset', {}), ('VOC21Dataset', {'classes': ['cow', 'cat']}),
                           ('Context59Dataset', {'classes': ['water', 'cow', 'bag']})):
        settings['split'] = 'val.txt'
        labels = np.array([[0, 1], [1, 255]])
        files = LabelFiles(_set(root, kind, ann_dir='labels', **settings),
                           {'imgfile_prefix': str(tmp_path / kind)}, str(tmp_path))
        files.write(labels, 1)
        read = _set(root, kind, ann_dir=str(tmp_path / kind), **settings)
        assert read.get_gt_seg_map_by_idx(1).tolist() == labels.tolist(), kind


def test_forms_of_their_own_know_chosen_classes(root, tmp_path):
    dataset = _set(root, 'ADE150Dataset', ann_dir='labels', classes=['tree', 'wall'])
    LabelFiles(dataset, {}, str(tmp_path)).write(np.array([[0, 1]]), 0)
    name = dataset.img_infos[0]['filename'].split('/')[-1][:-4]
    assert np.array(Image.open(tmp_path / f'format_results/{name}.png')).tolist() == [[5, 1]]
    dataset = _set(root, 'Cityscapes19Dataset', ann_dir='labels', classes=['car', 'road'])
    LabelFiles(dataset, {}, str(tmp_path)).write(np.array([[0, 1]]), 0)
    path = tmp_path / f'format_results/{dataset.img_infos[0]["filename"].split("/")[-1]}'
    assert ids(path).tolist() == [[26, 7]]
    files = LabelFiles(dataset, {'to_label_id': False}, str(tmp_path))
    files.write(np.array([[0, 1]]), 0)
    assert ids(path).tolist() == [[13, 0]]


def test_none_of_the_classes_is_unlabelled_in_every_form(root, tmp_path):
    """ADE20K calls it 0, Cityscapes has an id 0 for it, index PNGs have 255."""
    for kind, none in (('ADE150Dataset', 0), ('Cityscapes19Dataset', 0),
                       ('COCOStuff164kDataset', 255)):
        dataset = _set(root, kind, ann_dir='labels')
        files = LabelFiles(dataset, {'imgfile_prefix': str(tmp_path / kind)}, str(tmp_path))
        files.write(np.array([[0, 255]]), 0)
        path = next(path for path in (tmp_path / kind).iterdir() if 'color' not in path.name)
        with Image.open(path) as picture:
            found = np.array(picture)
        assert found[0, 1] == none != found[0, 0], kind


def test_joined_sets_have_a_folder_each(root, tmp_path):
    parts = [_set(root, 'CustomDataset', classes=['a', 'b']) for _ in range(2)]
    files = LabelFiles(ConcatDataset(parts), {}, str(tmp_path))
    for index in range(4):
        files.write(np.full((2, 2), index % 2), index)
    files.finish()
    found = tmp_path / 'format_results'
    for number in '01':
        assert ids(found / number / 'x/one.png').max() <= 1
        assert (found / number / 'classes.txt').read_text() == 'a\nb\n'


def test_what_can_not_be_is_refused_at_once(root, tmp_path):
    plain = _set(root, 'CustomDataset', classes=['a'], ann_dir='labels')
    ade = _set(root, 'ADE150Dataset')
    for dataset, options, words in (
            (plain, {'imgfile_prefx': 'x'}, 'imgfile_prefx: expected some of imgfile_prefix'),
            (plain, {'to_label_id': True}, 'to_label_id'),
            (ade, {'indices': [0]}, 'imgfile_prefix, to_label_id'),
            (plain, {'imgfile_prefix': 3}, 'is 3, expected a folder'),
            (plain, {'imgfile_prefix': str(root / 'labels')}, 'label folder'),
            (plain, {'imgfile_prefix': '/proc/nowhere'}, 'cannot be written')):
        with pytest.raises(InputError, match=words):
            LabelFiles(dataset, options, str(tmp_path))


def test_ids_that_are_read_as_one_class(root, tmp_path):
    dataset = _set(root, 'CustomDataset', classes=['a', 'b'])
    dataset.label_map = {0: -1, 1: 1, 2: 1, 3: 0, 4: 0}
    files = LabelFiles(dataset, {}, str(tmp_path))
    files.write(np.array([[0, 1]]), 0)
    name = dataset.img_infos[0]['filename'].replace('.jpg', '.png')
    assert ids(tmp_path / 'format_results' / name).tolist() == [[3, 1]]
    dataset.label_map = {0: 0, 1: 0}
    with pytest.raises(InputError, match="read as class 'b' of CustomDataset"):
        LabelFiles(dataset, {}, str(tmp_path))


def test_a_name_stays_in_the_folder():
    for given, expected in (('a/b.jpg', 'a/b.jpg'), ('/data/b.jpg', 'data/b.jpg'),
                            ('../other/b.jpg', 'other/b.jpg'), ('./b.jpg', 'b.jpg')):
        assert str(name_within(given)) == expected
