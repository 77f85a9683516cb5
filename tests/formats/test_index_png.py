"""Index PNGs, read back by Pillow and compared with the published palette."""

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.formats import IndexPng, voc_palette
from mmseg_maskclip.utils import InputError

LABELS = np.array([[0, 1, 2], [2, 1, 255]])


def read(path):
    with Image.open(path) as picture:
        return picture.mode, np.array(picture), picture.getpalette()


def test_palette_of_voc():
    """Colours of VOC's own label files: background, aeroplane ... tvmonitor, and the border."""
    found = voc_palette()
    for index, colour in {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0),
                          15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}.items():
        assert tuple(found[index]) == colour, index


def test_ids_are_pixels_and_the_palette_is_inside(tmp_path):
    IndexPng(range(3), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]).write(tmp_path / 'a/b.png', LABELS)
    mode, pixels, palette = read(tmp_path / 'a/b.png')
    assert mode == 'P' and pixels.tolist() == LABELS.tolist()
    assert palette[:9] == list(range(1, 10)) and palette[-3:] == [224, 224, 192]
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b.png'], 'nothing half-written'


def test_ids_of_the_files_have_their_classes_colours(tmp_path):
    index = IndexPng([7, 3, 254], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    index.write(tmp_path / 'x.png', LABELS)
    _, pixels, palette = read(tmp_path / 'x.png')
    assert pixels.tolist() == [[7, 3, 254], [254, 3, 255]]
    assert palette[21:24] == [1, 2, 3] and palette[9:12] == [4, 5, 6]
    assert palette[254 * 3:255 * 3] == [7, 8, 9] and palette[:3] == [0, 0, 0]
    assert IndexPng([3, 1]).class_list(['cat', 'dog']) == ['__ignore__', 'dog', '__ignore__', 'cat']


def test_more_than_254_classes_take_16_bits(tmp_path):
    colours = np.zeros((300, 3), int)
    for ids, mode in ((range(254), 'P'), (range(255), 'I;16'), (range(1, 255), 'P'),
                      (range(2, 256), 'I;16'), (range(300), 'I;16')):
        IndexPng(ids, colours[:len(ids)]).write(tmp_path / 'x.png', np.array([[0, len(ids) - 1]]))
        found, pixels, _ = read(tmp_path / 'x.png')
        assert (found, pixels.tolist()) == (mode, [[ids[0], ids[-1]]]), ids
    IndexPng(range(300)).write(tmp_path / 'x.png', np.array([[255, 300, -1]]))
    assert read(tmp_path / 'x.png')[1].tolist() == [[255, 65535, 65535]]
    with pytest.raises(InputError, match='up to 65535'):
        IndexPng([65535])
    with pytest.raises(InputError, match='RGB triple for each of 2'):
        IndexPng(range(2), [[1, 2, 3]])
