"""A folder of pictures, class names, and colours."""

import numpy as np
import pytest
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_maskclip.datasets import make_palette
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.voc_tree import write_image

LOAD = [{'type': 'LoadImageFromFile'}]


def folder(root, classes=('cat', 'dog'), **options):
    return build_dataset({'type': 'ImageFolderDataset', 'img_dir': str(root),
                          'classes': classes, 'pipeline': LOAD, 'test_mode': True, **options})


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / 'pictures'
    for name in ('b.JPG', 'a.png', 'c.jpeg', 'sub/d.bmp', 'sub/e.WEBP', 'f.tif', 'g.TIFF'):
        write_image(root / name)
    (root / 'notes.txt').write_text('no picture')
    (root / '._b.jpg').write_bytes(b'left by another system')
    (root / '.hidden').mkdir()
    write_image(root / '.hidden/h.jpg')
    return root


def test_all_suffixes_at_any_depth_in_order(pictures):
    dataset = folder(pictures)
    names = [info['filename'] for info in dataset.img_infos]
    assert names == ['a.png', 'b.JPG', 'c.jpeg', 'f.tif', 'g.TIFF', 'sub/d.bmp', 'sub/e.WEBP']
    assert all(sample['img'].shape == (12, 16, 3) for sample in dataset)
    assert dataset.img_infos[0]['ann'] == {'seg_map': None}


def test_names_from_a_list_and_from_a_file(pictures, tmp_path):
    file = tmp_path / 'names.txt'
    file.write_text('person; people; a man\n  car \n\n', encoding='utf-8')
    assert folder(pictures, str(file)).CLASSES == ['person', 'car']
    assert folder(pictures, 'gates').CLASSES[:3] == ['Bill Gates', 'Steve Jobs', 'building']
    assert folder(pictures, ['sky; the sky', 'tree']).CLASSES == ['sky', 'tree']
    assert folder(pictures, ['cow', 'dog'], unseen=['cow']).unseen_ids == (0,)


def test_background_is_black_and_counts_as_classes(pictures):
    dataset = folder(pictures, ['cat', 'road'], background_classes=['road', 'building'])
    assert dataset.CLASSES == ['cat', 'road', 'building']
    assert [tuple(color) for color in dataset.PALETTE][1:] == [(0, 0, 0), (0, 0, 0)]
    assert tuple(dataset.PALETTE[0]) != (0, 0, 0)
    # CLIP's tokenizer lower-cases: Road and road are one class.
    dataset = folder(pictures, ['cat', 'Road'], background_classes=['road'])
    assert dataset.CLASSES == ['cat', 'Road']
    assert [tuple(color) == (0, 0, 0) for color in dataset.PALETTE] == [False, True]


def test_picture_that_opencv_does_not_read_is_named(tmp_path):
    from PIL import Image
    Image.fromarray(np.full((6, 8), 0.5, np.float32)).save(tmp_path / 'float.tif')
    with pytest.raises(InputError, match=r'float\.tif cannot be read: OpenCV does not read its '
                                         r'form \(TIFF, mode F\), convert it to PNG or JPEG'):
        folder(tmp_path)[0]
    # Read by Pillow it is a picture.
    reader = [{**LOAD[0], 'imdecode_backend': 'pillow'}]
    assert folder(tmp_path, pipeline=reader)[0]['img'].shape == (6, 8, 3)


def test_training_mode_hands_over_a_missing_label(pictures):
    dataset = folder(pictures, test_mode=False)
    assert dataset[0]['ann_info'] == {'seg_map': None}


def test_split_names_files(pictures, tmp_path):
    (tmp_path / 'some.txt').write_text('c.jpeg\nsub/d.bmp\n')
    dataset = folder(pictures, split=str(tmp_path / 'some.txt'))
    assert [sample['ori_filename'] for sample in dataset] == ['c.jpeg', 'sub/d.bmp']


def test_evaluation_says_there_are_no_labels(pictures):
    dataset = folder(pictures)
    for ask in (lambda: dataset.evaluate([]), lambda: dataset.pre_eval([], [])):
        with pytest.raises(InputError, match=r'has no labels.*--show-dir'):
            ask()


@cases('options, message', [
    ({'classes': []}, 'class list of the image folder is empty'),
    ({'classes': ['cat', 'cat; kitten']}, "'cat' stands twice in class list of the image folder"),
    ({'classes': ['cat', 'dog; Cat']}, "'Cat' stands twice in class list of the image folder"),
    ({'classes': ['cat', '']}, 'item 2 of class list of the image folder is blank'),
    ({'classes': ['cat', 3]}, 'item 2 of class list of the image folder is 3, expected a name'),
    ({'background_classes': ['sky', ' ']}, 'item 2 of list of background classes is blank'),
    ({'classes': 'missing.txt'}, 'class list of the image folder missing.txt does not exist'),
    ({'ann_dir': 'labels'}, 'ann_dir must be left out'),
    ({'palette': [[1, 2, 3]]}, 'palette has 1 colours for 2 classes'),
    ({'img_dir': 'nowhere'}, 'image folder nowhere does not exist'),
])
def test_wrong_set_up(pictures, options, message):
    with pytest.raises(InputError, match=message):
        folder(pictures, **options)


def test_empty_folder_is_named(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match=r'no image was found in .*/empty\..*\.webp'):
        folder(tmp_path / 'empty')


def test_palette_is_distinct_repeatable_and_leaves_random_state_alone():
    np.random.seed(5)
    expected = np.random.rand(3)
    np.random.seed(5)
    colors = make_palette(300)
    assert np.array_equal(np.random.rand(3), expected)
    assert colors == make_palette(300)
    assert colors[:7] == make_palette(7)
    assert len({tuple(color) for color in colors[:20]}) == 20
    assert [0, 0, 0] not in colors
    assert all(0 <= value <= 255 for color in colors for value in color)


def test_labels_beside_some_pictures(pictures, tmp_path):
    """As predictions that somebody corrected: PNGs of the same names, and classes.txt."""
    (tmp_path / 'classes.txt').write_text('cat\ndog\n', encoding='utf-8')
    (tmp_path / 'corrected/sub').mkdir(parents=True)
    label = np.full((12, 16), 255, np.uint8)
    label[:3] = 1
    Image.fromarray(label).save(tmp_path / 'corrected/sub/d.png')

    def dataset(**options):
        return build_dataset({
            'type': 'LabelledFolderDataset', 'img_dir': str(pictures),
            'ann_dir': str(tmp_path / 'corrected'), 'classes': str(tmp_path / 'classes.txt'),
            'pipeline': [*LOAD, {'type': 'LoadLabels'}], **options})

    found = dataset(missing_labels='unlabelled')
    assert found.CLASSES == ['cat', 'dog'] and len(found) == 7
    labels = {info['filename']: found[index]['gt_semantic_seg']
              for index, info in enumerate(found.img_infos)}
    assert np.array_equal(labels['sub/d.bmp'], label)
    assert all((one == -1).all() for name, one in labels.items() if name != 'sub/d.bmp')
    with pytest.raises(InputError, match=r'a\.png'):
        dataset()[0]
