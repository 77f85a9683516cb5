"""tools/check_dataset.py: what is told of right and of wrong files."""

import numpy as np
import pytest
from PIL import Image

from helpers.own_set import settings, write_own
from helpers.tools import ROOT, assert_bad_input
from helpers.voc_tree import write_image, write_labels

TOOL = 'tools/check_dataset.py'
FULL = np.array([[0, 1, 2, 255], [1, 1, 2, 2]])


def _config(tmp_path, **parts):
    path = tmp_path / 'config.py'
    path.write_text(f'model = dict()\ndata = {parts!r}\n')
    return path


@pytest.fixture
def root(tmp_path):
    return write_own(tmp_path / 'own', {'a': FULL, 'b': FULL, 'c': np.full((3, 4), 1)})


def test_right_files_are_described(root, call_tool, tmp_path):
    done = call_tool(TOOL, _config(tmp_path, train=settings(root), val=settings(root)))
    assert done.returncode == 0, done.stderr
    shown = ' '.join(done.stdout.split())
    for words in ('data.train: OwnDataset, 3 images', 'sizes: 4 x 2 (2), 4 x 3 (1)',
                  'suffixes: .jpg (3)', 'labels: 3 read', '0 missing, 0 without an image',
                  'ids of the files are class ids', '| 0 | 0 road | 7.14 % | 2 |',
                  '| 1 | 1 field | 64.29 % | 3 |', '| 255 | ignored | 7.14 % | 2 |',
                  '0 problems were found'):
        assert words in shown, f'{words!r} not in {shown!r}'
    # The same files are not read twice.
    assert 'data.val' not in shown


def test_each_problem_is_told(root, call_tool, tmp_path):
    write_image(root / 'images/turned.jpg', (2, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / 'images/turned.jpg').save(root / 'images/turned.jpg', exif=exif)
    write_labels(root / 'labels/turned.png', FULL)
    write_image(root / 'images/none.jpg')
    write_labels(root / 'labels/extra.png', FULL)
    write_image(root / 'labels/colours.jpg')
    write_image(root / 'images/size.jpg', (5, 5))
    write_labels(root / 'labels/size.png', [[7, 300, 3]])
    write_image(root / 'images/broken.jpg').write_bytes(b'no picture')
    (root / 'labels/broken.png').write_bytes(b'no picture')
    done = call_tool(TOOL, _config(tmp_path, train=settings(root)))
    assert done.returncode == 1, done.stderr
    for words in ('problem: 1 images are shown turned by their EXIF orientation and their labels '
                  'are not', '(turned.jpg)', 'problem: 1 label files are missing (none.png)',
                  'problem: 1 label files belong to no image (extra.png)',
                  'not read as labels: .jpg (1)',
                  'differ in size (size.jpg (5 x 5, its label 3 x 1))',
                  'problem: id 3 is outside the 3 classes, first in size.png', 'id 7', 'id 300',
                  'outside the classes', 'problem: 2 cannot be read (image broken.jpg, label '
                  'broken.png)', '8 problems were found'):
        assert words in done.stdout, f'{words!r} not in {done.stdout!r}'


def test_files_beside_a_split_are_no_problem(root, call_tool, tmp_path):
    (root / 'some.txt').write_text('a\nb\n')
    done = call_tool(TOOL, _config(tmp_path, test=settings(root, split='some.txt')))
    assert done.returncode == 0, done.stdout
    assert '1 without an image in the data set' in done.stdout


def test_what_reducing_zero_does_is_shown(root, call_tool, tmp_path):
    done = call_tool(TOOL, _config(tmp_path, test=settings(root, reduce_zero_label=True)))
    shown = ' '.join(done.stdout.split())
    assert 'id 0 of the files is ignored, ids 1 to 3 are classes 0 to 2' in shown
    assert '| 0 | ignored |' in shown and '| 1 | 0 road |' in shown
    assert 'classes without a pixel: 1 of 3 (forest)' in shown


def test_coco_object_beside_the_other_files_of_coco(call_tool, tmp_path):
    coco = tmp_path / 'coco'
    write_image(coco / 'images/val2017/000000000139.jpg', (2, 4))
    raw = np.array([[0, 0, 89, 255], [91, 91, 2, 181]])
    write_labels(coco / 'annotations/val2017/000000000139.png', raw)
    write_labels(coco / 'annotations/val2017/000000000139_labelTrainIds.png', raw)
    call_tool('tools/dataset_converters/coco_object.py', coco, '--nproc', 1)
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = '{ROOT}/configs/_base_/datasets/coco_object.py'\nmodel = dict()\n"
                      f"data = dict(test=dict(data_root='{coco}'))\n")
    done = call_tool(TOOL, config, '--parts', 'test')
    assert done.returncode == 0, done.stdout + done.stderr
    shown = ' '.join(done.stdout.split())
    for words in ('data.test: COCOObjectDataset, 1 images', '0 missing, 0 without an image',
                  '| 0 | 0 background | 50.00 % | 1 |', '| 1 | 1 person | 25.00 % | 1 |',
                  '| 3 | 3 car | 12.50 % | 1 |', '| 80 | 80 toothbrush | 12.50 % | 1 |'):
        assert words in shown, f'{words!r} not in {shown!r}'


def test_odd_labels_missing_folders_and_several_parts(root, call_tool, tmp_path):
    masks = write_own(tmp_path / 'masks', {'a': FULL // 2 * 255 % 510, 'b': FULL * 0})
    plain = settings(masks, type='CustomDataset', classes=['background', 'thing'], pipeline=[])
    joined = settings(root, img_dir=['images', 'images'], ann_dir=['labels', 'labels'])
    done = call_tool(TOOL, _config(tmp_path, train=plain, test=joined,
                                   val=settings(root, ann_dir='nowhere')))
    assert done.returncode == 1
    assert 'problem: they hold the ids 0 and 255 alone' in done.stdout
    assert 'label folder' in done.stdout and 'nowhere does not exist' in done.stdout
    assert 'data.test (2 of 2): OwnDataset' in done.stdout
    assert '2 problems were found' in done.stdout


def test_shipped_config_and_wrong_use(tiny_world, call_tool, tmp_path):
    config = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
    done = call_tool(TOOL, config, '--parts', 'test', '--cfg-options',
                     f'data.test.data_root={tiny_world}')
    assert done.returncode == 0 and 'data.test: TinyWorldDataset, 6 images' in done.stdout
    assert_bad_input(call_tool(TOOL, _config(tmp_path), '--parts', 'val'), 'has no data.val')
