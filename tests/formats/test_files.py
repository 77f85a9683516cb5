"""Which files a run leaves, and mmseg's data set on them."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from mmseg.datasets import CustomDataset
from PIL import Image

from mmseg_maskclip.formats import (
    FORMATS,
    label_type,
    merge_coco,
    merge_formats,
    none_value,
    picture_files,
    write_formats,
)
from mmseg_maskclip.utils import InputError

from helpers.labelled import NAMES, hard_labels, picture_of


@pytest.fixture
def out(tmp_path):
    """Two pictures in all formats, one of them in a subfolder."""
    source = tmp_path / 'pictures'
    for name in ('a.png', 'b/c.v2.png'):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (53, 37)).save(source / name)
        write_formats(tmp_path / 'out', name[:-4], picture_of(hard_labels(), name), [*FORMATS],
                      source / name)
    return tmp_path / 'out'


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*')
                  if path.is_file())


def test_a_file_for_each_picture_then_one_for_all(out):
    single = [f'{folder}/{name}{suffix}' for folder, suffix in (
        ('annotations', '.png'), ('coco', '.json'), ('cvat', '.xml'), ('labelme', '.json'),
        ('labelstudio', '.json')) for name in ('a', 'b/c.v2')]
    shared = ['classes.txt', 'labelstudio_config.xml']
    assert files_in(out) == sorted(single + shared)
    assert [path.relative_to(out).as_posix() for path in picture_files(out, 'a', [*FORMATS])] == [
        'annotations/a.png', 'coco/a.json', 'labelme/a.json', 'cvat/a.xml', 'labelstudio/a.json']

    merged = ['coco.json', 'cvat.xml', 'labelstudio.json']
    assert merge_formats(out, ['b/c.v2', 'a'], [*FORMATS]) == [out / name for name in merged]
    assert files_in(out) == sorted(single + shared + merged), 'nothing half-written'
    coco = json.loads((out / 'coco.json').read_text(encoding='utf-8'))
    assert [(image['id'], image['file_name']) for image in coco['images']] == [
        (1, 'b/c.v2.png'), (2, 'a.png')]
    assert coco == merge_coco(
        json.loads((out / f'coco/{name}.json').read_text(encoding='utf-8'))
        for name in ('b/c.v2', 'a'))
    (empty,) = merge_formats(out.parent / 'none', [], ['coco'])
    assert json.loads(empty.read_text()) == merge_coco([])
    tasks = json.loads((out / 'labelstudio.json').read_text(encoding='utf-8'))
    assert tasks == [json.loads((out / f'labelstudio/{name}.json').read_text(encoding='utf-8'))[0]
                     for name in ('b/c.v2', 'a')]
    root = ElementTree.parse(out / 'cvat.xml').getroot()
    assert [image.get('name') for image in root.iter('image')] == ['b/c.v2.png', 'a.png']


def test_pictures_are_found_from_the_labels(out):
    """By LabelMe from the file's folder, by Label Studio from the folder above the pictures."""
    for name, path in (('a', '../../pictures/a.png'), ('b/c.v2', '../../../pictures/b/c.v2.png')):
        file = out / f'labelme/{name}.json'
        assert json.loads(file.read_text(encoding='utf-8'))['imagePath'] == path
        assert (file.parent / path).is_file()
    (task,) = json.loads((out / 'labelstudio/b/c.v2.json').read_text(encoding='utf-8'))
    assert task['data'] == {'image': '/data/local-files/?d=pictures/b/c.v2.png'}
    write_formats(out, 'x', picture_of(hard_labels(), 'x.png'), ['labelstudio'], '/other/y.png')
    (task,) = json.loads((out / 'labelstudio/x.json').read_text(encoding='utf-8'))
    assert task['data'] == {'image': '/data/local-files/?d=x.png'}


def test_mmseg_reads_index_pngs_and_their_classes(out):
    dataset = CustomDataset(
        [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}], data_root=str(out),
        img_dir=str(out.parent / 'pictures'), img_suffix='.png', ann_dir='annotations',
        classes=str(out / 'classes.txt'))
    assert tuple(dataset.CLASSES) == NAMES and len(dataset) == 2
    for sample in dataset:
        assert sample['gt_semantic_seg'].tolist() == hard_labels().tolist()
    predicted = hard_labels()
    predicted[33, 51] = 0
    results = dataset.evaluate([predicted] * 2, metric='mIoU', logger='silent')
    assert results['IoU.cat'] == 1 and results['IoU.pole'] == 0


def test_more_than_254_classes_take_16_bits(tmp_path):
    names = tuple(f'class {index}' for index in range(300))
    labels = np.array([[0, 254, 255, 299, none_value(300)]], label_type(300))
    (path, classes) = write_formats(tmp_path, 'x', picture_of(labels, 'x.jpg', names, None),
                                    ['png'])
    with Image.open(path) as picture:
        assert np.array(picture).tolist() == [[0, 254, 255, 299, 65535]]
    assert classes.read_text(encoding='utf-8').splitlines() == [*names]
    write_formats(tmp_path, 'y', picture_of(labels[:, :1], 'y.jpg', ('one',)), ['png'])
    assert classes.read_text(encoding='utf-8') == 'one\n'
    assert [(none_value(count), label_type(count)) for count in (254, 255)] == [
        (255, np.uint8), (65535, np.uint16)]
    with pytest.raises(InputError, match='at most 65535 classes'):
        label_type(65536)


def test_wrong_input(out):
    with pytest.raises(InputError, match="'yolo' is unknown: expected some of png, coco, labelme"):
        write_formats(out, 'x', picture_of(hard_labels()), ['png', 'yolo'])
    with pytest.raises(InputError, match='no format is named'):
        write_formats(out, 'x', picture_of(hard_labels()), [])
    for name, source, told in (('../x', None, r"cannot be called '\.\./x'"),
                               ('a//x', None, "cannot be called 'a//x'"),
                               ('', None, "cannot be called ''"),
                               ('n' * 251, None, 'has 251 bytes, .* at most 250'),
                               ('x', 'mine\udce9/x.png', r"'mine\\udce9/x.png' .* not UTF-8")):
        with pytest.raises(InputError, match=told):
            write_formats(out, name, picture_of(hard_labels()), ['png'], source)
        assert not (out / f'annotations/{name}.png').exists()
    odd = replace(picture_of(hard_labels()), file_name='x\n.jpg')
    with pytest.raises(InputError, match=r"'x\\n.jpg' has control characters"):
        write_formats(out, 'x', odd, ['png'])
    with pytest.raises(InputError, match=r'z.json does not exist. Write the labels of this'):
        merge_formats(out, ['a', 'z'], ['coco'])
    (out / 'coco/a.json').write_text('{"images"')
    with pytest.raises(InputError, match='cannot be read as JSON'):
        merge_formats(out, ['a'], ['coco'])
    assert not (out / 'coco.json').exists(), 'nothing half-written'
