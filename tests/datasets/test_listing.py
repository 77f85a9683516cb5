"""Images and their labels, from folders and lists as people have them."""

import pytest
from mmcv import FileClient

from mmseg_maskclip.datasets import listing
from mmseg_maskclip.datasets.listing import list_folder, list_split
from mmseg_maskclip.utils import InputError

CLIENT = FileClient('disk')


@pytest.fixture
def warned(monkeypatch):
    lines = []
    monkeypatch.setattr(listing, 'print_log', lambda line, *_, **__: lines.append(line))
    return lines


@pytest.fixture
def mixed(tmp_path):
    """Suffixes as cameras and phones mix them."""
    folder = tmp_path / 'images'
    (folder / 'sub').mkdir(parents=True)
    for name in ('a.jpg', 'b.JPG', 'c.jpeg', 'd.png', 'a-b.jpg', 'sub/e.jpg', 'notes.txt'):
        (folder / name).touch()
    return folder


def test_several_suffixes_in_any_case(mixed, warned):
    found = list_folder(CLIENT, str(mixed), ('.jpg', '.jpeg', '.png'), '_label.png', '')
    assert [one.image for one in found] == ['a.jpg', 'a-b.jpg', 'b.JPG', 'c.jpeg', 'd.png',
                                            'sub/e.jpg']
    assert [one.label for one in found][3:] == ['c_label.png', 'd_label.png', 'sub/e_label.png']
    assert not warned


def test_pictures_that_are_left_out_are_counted(mixed, warned):
    found = list_folder(CLIENT, str(mixed), ('.jpg',), '.gif', '')
    assert [one.image for one in found] == ['a.jpg', 'a-b.jpg', 'b.JPG', 'sub/e.jpg']
    assert len(warned) == 1 and '1 .jpeg, 1 .png pictures' in warned[0]
    # Labels that lie beside the images are not forgotten pictures.
    (mixed / 'c.jpeg').unlink()
    list_folder(CLIENT, str(mixed), ('.jpg',), '.png', '')
    assert len(warned) == 1


def test_no_image_names_the_suffixes_there_are(mixed):
    with pytest.raises(InputError, match=r'no image \*.bmp was found.*set img_suffix'):
        list_folder(CLIENT, str(mixed), ('.bmp',), '.png', 'Fix.')
    (mixed / 'empty').mkdir()
    with pytest.raises(InputError, match='holds no pictures. Fix'):
        list_folder(CLIENT, str(mixed / 'empty'), ('.bmp',), '.png', 'Fix.')


def test_lines_of_a_split_in_every_form(mixed, tmp_path):
    split = tmp_path / 'split.txt'
    split.write_text('a\nsub/e\nb.JPG\n\nd\nimg/x.png lab/y.png\n')
    found = list_split(CLIENT, str(split), str(mixed), ('.jpg', '.png'), '.gif', '')
    assert found == [('a.jpg', 'a.gif'), ('sub/e.jpg', 'sub/e.gif'), ('b.JPG', 'b.gif'),
                     ('d.png', 'd.gif'), ('img/x.png', 'lab/y.png')]
    assert list_split(CLIENT, str(split), str(mixed), ('.jpg',), '.gif', '')[3] == (
        'd.jpg', 'd.gif')
    split.write_text('a.tif\n')
    with pytest.raises(InputError, match=r"names 'a.tif', img_suffix is \('.jpg',\)"):
        list_split(CLIENT, str(split), str(mixed), ('.jpg',), '.gif', '')
