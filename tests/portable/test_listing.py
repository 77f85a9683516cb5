"""Which pictures a run works on, and what their results are called."""

import os
from pathlib import Path

import pytest

from mmseg_maskclip.portable.listing import list_pictures
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

FILES = ('b.jpg', 'a.JPG', 'notes.md', '.hidden.jpg', 'sub/c.png', 'sub/deep/d.TIFF', '.git/e.jpg',
         'twin.jpg', 'twin.png', 'x.gif', 'other/b.jpg', 'out/labels/b.png')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in FILES:
        path = tmp_path / 'pics' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


IN_FOLDER = ['a', 'b', 'other/b', 'sub/c', 'sub/deep/d', 'twin.jpg', 'twin.png']


@cases('sources, names', [
    ('pics', IN_FOLDER),
    ('pics/', IN_FOLDER),
    (Path('pics'), IN_FOLDER),
    # Files keep their order and may have any suffix.
    (['pics/x.gif', 'pics/b.jpg', './pics/x.gif'], ['x', 'b']),
    ('pics/sub/c.png', ['c']),
    ('pics/none.jpg', ['none']),
    (['pics/b.jpg', 'pics/other/b.jpg'], ['b', 'other/b']),
    (['pics/sub', ['pics/other']], ['sub/c', 'sub/deep/d', 'other/b']),
    (['pics/sub', 'pics/sub/c.png'], ['c', 'deep/d']),
    (['pics/sub/../b.jpg', 'pics/sub/c.png'], ['b', 'sub/c']),
    ('pics/*', ['a', 'b', 'twin.jpg', 'twin.png']),
    ('pics/*.gif', ['x']),
    ('pics/**/*.p*', ['sub/c', 'twin']),
    ('pics/s*/deep/*', ['sub/deep/d']),
    ('pics/out/labels/*', ['b']),
    ('list.txt', ['sub/c', 'b', 'none']),
])
def test_names_of_what_is_given(sources, names, folder):
    (folder / 'list.txt').write_text('pics/sub/c.png\n\npics/b.jpg\npics/none.jpg\npics/b.jpg\n')
    listed = list_pictures(sources, leave_out='pics/out')
    assert [one.name for one in listed] == names
    assert all(Path(one.path).exists() != one.name.endswith('none') for one in listed)


def test_names_are_of_one_picture_each(tmp_path):
    for name in ('a.jpg', 'a.png', 'a.jpg.png', 'plain', '[1].jpg'):
        (tmp_path / name).touch()
    sources = [tmp_path / name for name in ('a.jpg', 'a.png', 'a.jpg.png', 'plain', '[1].jpg')]
    assert [one.name for one in list_pictures(sources)] == [
        'a.jpg', 'a.png', 'a.jpg.png', 'plain', '[1]']


def test_links_to_folders_are_followed_but_not_in_circles(folder):
    os.symlink(folder / 'pics' / 'sub', folder / 'pics' / 'other' / 'link')
    os.symlink(folder / 'pics', folder / 'pics' / 'sub' / 'back')
    assert [one.name for one in list_pictures('pics/other')] == ['b', 'link/c', 'link/deep/d']
    for one, other in (('near', 'far'), ('far', 'near')):
        (folder / one).mkdir(exist_ok=True)
        os.symlink(folder / other, folder / one / 'link')
        (folder / one / 'p.jpg').touch()
    assert [one.name for one in list_pictures('near')] == ['link/p', 'p']


@cases('sources, words', [
    ([], 'an empty list'),
    ('pics/empty', 'no picture was found in pics/empty'),
    ('pics/*.bmp', r'no picture was found in pics/\*.bmp'),
    ('missing.txt', 'list of pictures missing.txt does not exist'),
    ('empty.txt', 'no picture was found in empty.txt'),
    (5, 'pictures are a int'),
])
def test_nothing_to_find(sources, words, folder):
    (folder / 'pics/empty').mkdir(exist_ok=True)
    (folder / 'empty.txt').write_text('\n')
    with pytest.raises(InputError, match=words):
        list_pictures(sources)
