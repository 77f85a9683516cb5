"""Class lists as people have them: any name, and what annotation tools write."""

import json

import pytest

from mmseg_maskclip.clip import load_vocabulary, vocabulary_of_words
from mmseg_maskclip.utils import InputError

CVAT = '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\ntall dog:0,128,0::\n'
FILES = {
    'names.TXT': ('cat\ndog; hound\n', ('cat', 'dog'), None),
    'names': ('cat\ndog', ('cat', 'dog'), None),
    'labelmap.txt': (CVAT, ('background', 'cat', 'tall dog'),
                     ((0, 0, 0), (128, 0, 0), (0, 128, 0))),
    'no_comment.txt': (CVAT.partition('\n')[2], ('background', 'cat', 'tall dog'),
                       ((0, 0, 0), (128, 0, 0), (0, 128, 0))),
    'labelme.txt': ('__ignore__\n_background_\ncat\n', ('background', 'cat'), None),
    'names.json': (json.dumps(['cat', 'dog']), ('cat', 'dog'), None),
    'coco.json': (json.dumps({'images': [], 'categories': [{'id': 3, 'name': 'cat'}]}), ('cat',),
                  None),
    'windows.csv': ('\ufeffcat\r\ndog\r\n', ('cat', 'dog'), None)}


def test_every_form_of_a_list_is_read(tmp_path):
    for name, (text, classes, colors) in FILES.items():
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        for found in (load_vocabulary(path), vocabulary_of_words([str(path)])):
            assert found.class_names == classes and found.colors == colors, name


def test_one_word_may_be_a_set_and_several_are_names(tmp_path):
    assert len(vocabulary_of_words(['voc'])) == 20
    assert vocabulary_of_words(['voc', 'city']).class_names == ('voc', 'city')
    assert vocabulary_of_words(['cat']).class_names == ('cat',)
    path = tmp_path / 'list.txt'
    path.write_text('cat')
    with pytest.raises(InputError, match='list.txt is a file, expected class names'):
        vocabulary_of_words(['dog', str(path)])
    with pytest.raises(InputError, match='gone.TXT does not exist'):
        vocabulary_of_words([str(tmp_path / 'gone.TXT')])


def test_what_is_no_list_is_refused(tmp_path):
    cases = {'picture.png': (bytes(range(256)), 'not UTF-8'), 'zeros.bin': (b'a\0b', 'not a text'),
             'half.json': (b'["cat",', 'is not JSON'), 'other.json': (b'{"a": 1}', 'without class'),
             'cvat.txt': (CVAT.encode() + b'dog\n', "class 4 of .* is 'dog', expected CVAT"),
             'color.txt': (b'cat:1,2,300::\n', 'colour 1,2,300'), 'empty.txt': (b'', 'is empty')}
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            vocabulary_of_words([str(tmp_path / name)])
