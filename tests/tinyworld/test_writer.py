"""The written world: VOC's layout, re-runs, half-written folders."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.tinyworld import CLASSES, PALETTE
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.tinyworld.writer import World, write_world
from mmseg_maskclip.utils import InputError

WORLD = World(train=3, val=2, seed=5)


def files_of(root) -> dict:
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('world') / 'tinyworld'
    steps = []
    assert write_world(root, WORLD, on_scene=lambda: steps.append(1))
    assert len(steps) == 5
    return root


def test_layout(written):
    train = ['train_00000', 'train_00001', 'train_00002']
    val = ['val_00000', 'val_00001']
    lists = written / 'ImageSets' / 'Segmentation'
    assert (lists / 'train.txt').read_text().split() == train
    assert (lists / 'val.txt').read_text().split() == val
    expected = {'tinyworld.json', 'ImageSets/Segmentation/train.txt',
                'ImageSets/Segmentation/val.txt'}
    for name in train + val:
        expected |= {f'JPEGImages/{name}.jpg', f'SegmentationClass/{name}.png'}
    assert set(files_of(written)) == expected


def test_second_writer_of_the_same_world_joins_in(written, tmp_path):
    joined = []

    def join():
        if not joined:
            joined.append(write_world(tmp_path / 'world', WORLD))

    assert write_world(tmp_path / 'world', WORLD, on_scene=join)
    assert joined == [True]
    assert files_of(tmp_path / 'world') == files_of(written)


def test_masks_are_exact_and_coloured(written):
    with Image.open(written / 'SegmentationClass' / 'train_00001.png') as picture:
        assert picture.mode == 'P'
        palette = np.array(picture.getpalette()[:42]).reshape(14, 3)
        mask = np.array(picture)
    assert np.array_equal(mask, scene(5, 1).mask)
    assert palette.tolist() == [list(colour) for colour in PALETTE]


def test_images_are_the_scenes_in_rgb(written):
    image = cv2.imread(str(written / 'JPEGImages' / 'train_00002.jpg'))[..., ::-1].astype(float)
    assert np.abs(image - scene(5, 2).image).mean() < 8


def test_validation_scenes_are_others(written):
    images = {(written / 'JPEGImages' / f'{name}.jpg').read_bytes()
              for name in ('train_00000', 'train_00001', 'train_00002', 'val_00000', 'val_00001')}
    assert len(images) == 5


def test_rerun_writes_nothing(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob('*')}
    assert write_world(written, WORLD) is False
    assert {path: path.stat().st_mtime_ns for path in written.rglob('*')} == before


def test_more_scenes_do_not_change_the_first(written, tmp_path):
    write_world(tmp_path / 'more', World(train=4, val=2, seed=5))
    few, more = files_of(written), files_of(tmp_path / 'more')
    images = [name for name in few if name.endswith(('jpg', 'png'))]
    assert all(few[name] == more[name] for name in images)


def test_an_interrupted_world_is_completed(written, tmp_path):
    root = tmp_path / 'half'
    done = []

    def stop():
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(root, WORLD, on_scene=stop)
    assert not (root / 'tinyworld.json').exists()
    assert len(list((root / 'JPEGImages').iterdir())) == 2
    assert write_world(root, WORLD)
    assert files_of(root) == files_of(written)


def test_a_removed_scene_is_drawn_again(tmp_path):
    root = tmp_path / 'world'
    world = World(train=2, val=1)
    write_world(root, world)
    before = files_of(root)
    (root / 'JPEGImages' / 'val_00000.jpg').unlink()
    assert write_world(root, world)
    assert files_of(root) == before


def test_another_world_is_not_overwritten(written):
    before = files_of(written)
    with pytest.raises(InputError, match='train=3, val=2, seed=5'):
        write_world(written, World(train=3, val=2, seed=6))
    assert files_of(written) == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / 'thesis.txt').write_text('mine')
    with pytest.raises(InputError, match='other files'):
        write_world(tmp_path, WORLD)
    assert set(files_of(tmp_path)) == {'thesis.txt'}


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(InputError, match='file'):
        write_world(tmp_path / 'file', WORLD)


@pytest.mark.parametrize('wrong', [{'train': 0, 'val': 0}, {'train': -1}, {'val': -2},
                                   {'seed': -1}])
def test_bad_numbers(wrong):
    with pytest.raises(InputError):
        World(**wrong)


def test_the_record_says_what_was_asked(written):
    record = json.loads((written / 'tinyworld.json').read_text())
    assert (record['train'], record['val'], record['seed']) == (3, 2, 5)
    assert tuple(record['classes']) == CLASSES
