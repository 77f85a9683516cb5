"""Class lists and templates."""

import open_clip
import pytest

from mmseg_maskclip.clip import (
    combine_vocabularies,
    list_templates,
    list_vocabularies,
    load_templates,
    load_vocabulary,
)
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

COUNTS = {'city': 19, 'ade': 150, 'stuff': 171, 'voc': 20, 'voc21': 21, 'context': 59,
          'context60': 60, 'acontext': 459, 'mickey': 7, 'batman': 7, 'mario': 7, 'gates': 7,
          'batman_ext': 26, 'sports': 17, 'car_brands': 23, 'blur': 20, 'car_color': 24, 'coco_object': 81}


def test_the_published_sets_are_there_with_their_counts():
    assert {name: len(load_vocabulary(name)) for name in list_vocabularies()} == COUNTS


def test_the_sets_with_background_are_the_sets_behind_background():
    for name, full in (('voc', 'voc21'), ('context', 'context60')):
        names = load_vocabulary(full).class_names
        assert names == ('background', *load_vocabulary(name).class_names)


def test_the_sets_use_the_published_spelling():
    voc = load_vocabulary('voc').class_names
    assert {'airplane', 'dining table', 'potted plant', 'tv monitor'} <= set(voc)
    assert 'tile ceiling' in load_vocabulary('stuff').class_names


def test_a_file_with_synonyms(tmp_path):
    path = tmp_path / 'streets.txt'
    path.write_text('\ufeffperson; people; a man\ncar\n  traffic light \n\n', encoding='utf-8')
    vocabulary = load_vocabulary(path)
    assert vocabulary.name == 'streets'
    assert vocabulary.entries == (('person', 'people', 'a man'), ('car',), ('traffic light',))
    assert vocabulary.class_names == ('person', 'car', 'traffic light')


def test_a_list_of_a_config():
    vocabulary = load_vocabulary(['person; people', ['car', 'automobile'], 'road'])
    assert vocabulary.entries == (('person', 'people'), ('car', 'automobile'), ('road',))
    assert load_vocabulary(vocabulary) is vocabulary


@cases('text, phrase', [
    ('cat\n\ndog\n', 'line 2 of .* is blank'),
    ('', 'is empty'),
    ('\n\n', 'is empty'),
    ('cat\ndog\nCat\n', "'Cat' stands twice.*lines 1 and 3"),
    ('person; man\nman\n', "'man' stands twice"),
    ('person;; man\n', 'no name between')])
def test_bad_files_are_refused_with_the_line(text, phrase, tmp_path):
    path = tmp_path / 'classes.txt'
    path.write_text(text)
    with pytest.raises(InputError, match=phrase):
        load_vocabulary(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / 'classes.txt').write_bytes(b'caf\xe9\n')
    with pytest.raises(InputError, match='UTF-8'):
        load_vocabulary(tmp_path / 'classes.txt')


def test_unknown_sets_and_missing_files(tmp_path):
    with pytest.raises(InputError, match=r'unknown class set.*acontext.*voc21'):
        load_vocabulary('vocs')
    with pytest.raises(InputError, match='does not exist'):
        load_vocabulary(str(tmp_path / 'none.txt'))
    with pytest.raises(InputError, match='is blank'):
        load_vocabulary(['cat', ''])
    with pytest.raises(InputError, match='is empty'):
        load_vocabulary([])
    with pytest.raises(InputError, match=r'item 2.*\[3\]'):
        load_vocabulary(['cat', [3]])
    with pytest.raises(InputError, match='item 1 of the list of classes is None'):
        load_vocabulary([None, 'cat'])
    with pytest.raises(InputError, match='the list of classes is 3, expected a list'):
        load_vocabulary(3)


def test_errors_say_what_the_classes_are_for(tmp_path):
    (tmp_path / 'gaps.txt').write_text('cat\n\ndog\n')
    for source, message in (
            (['cat', 'cat'], "'cat' stands twice in classes of X, in items 1 and 2"),
            ([], 'classes of X is empty'),
            ('vocs', "unknown class set 'vocs' for classes of X"),
            (str(tmp_path / 'none.txt'), 'classes of X .*none.txt does not exist'),
            (tmp_path / 'gaps.txt', 'line 2 of classes of X .*gaps.txt is blank')):
        with pytest.raises(InputError, match=message):
            load_vocabulary(source, 'classes of X')


def test_sets_are_joined_without_duplicates_in_order(tmp_path):
    (tmp_path / 'mine.txt').write_text('sheep\nunicorn\nBird\n')
    joined = combine_vocabularies(['voc', tmp_path / 'mine.txt'])
    assert joined.name == 'voc_mine'
    assert joined.class_names == (*load_vocabulary('voc').class_names, 'unicorn')


def test_template_sets():
    assert {name: len(load_templates(name)) for name in list_templates()} == {
        'imagenet85': 85, 'openai80': 80, 'imagenet80': 80, 'zegclip15': 15, 'cifar18': 18,
        'single': 1}
    assert load_templates('single') == ('a photo of a {}.',)
    assert all(len(set(load_templates(name))) == len(load_templates(name))
               for name in list_templates())


def test_the_first_80_templates_are_open_clip_s():
    filled = [template.replace('{}', 'cat') for template in load_templates('openai80')]
    assert filled == [template('cat') for template in open_clip.OPENAI_IMAGENET_TEMPLATES]


def test_templates_of_one_s_own():
    assert load_templates(['the {} here']) == ('the {} here',)
    for bad in (['no place'], ['{} and {}'], [], 'imagenet86'):
        with pytest.raises(InputError, match='expected'):
            load_templates(bad)
