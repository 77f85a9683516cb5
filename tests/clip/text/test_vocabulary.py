"""Class lists and templates."""

import logging

import open_clip
import pytest

from mmseg_maskclip.clip import (
    combine_vocabularies,
    list_templates,
    list_vocabularies,
    load_templates,
    load_vocabulary,
)
from mmseg_maskclip.clip.text import vocabulary as module
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

COUNTS = {'city': 19, 'ade': 150, 'stuff': 171, 'voc': 20, 'voc21': 21, 'context': 59,
          'context60': 60, 'acontext': 459, 'mickey': 7, 'batman': 7, 'mario': 7, 'gates': 7,
          'batman_ext': 26, 'sports': 17, 'car_brands': 23, 'blur': 20, 'car_color': 24,
          'background_words': 27, 'zegclip_voc': 20, 'zegclip_coco_stuff': 171,
          'coco_object': 81, 'sclip_voc20': 20, 'sclip_context59': 59, 'sclip_ade20k': 150,
          **{f'{method}_{name}': count for method in ('sclip', 'itaclip') for name, count in (
              ('voc21', 21), ('context60', 60), ('coco_object', 81), ('coco_object_fixed', 81),
              ('cityscapes', 19), ('coco_stuff', 171))}}


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


def test_names_of_the_training_free_methods_are_the_published_ones():
    lists = {name: load_vocabulary(name).entries for name in COUNTS if 'clip_' in name}
    for name, class_id, count in (
            ('sclip_voc21', 0, 26), ('sclip_voc21', 15, 7), ('sclip_voc20', 14, 7),
            ('sclip_voc21', 20, 5), ('sclip_coco_object', 0, 26), ('sclip_coco_object', 1, 8),
            ('itaclip_voc21', 0, 44), ('itaclip_coco_object', 0, 26), ('itaclip_context60', 0, 1)):
        assert len(lists[name][class_id]) == count, (name, class_id)
    assert lists['sclip_voc21'][0] == lists['sclip_coco_object'][0]
    assert lists['sclip_voc21'][1:] == lists['sclip_voc20']
    assert lists['sclip_context60'] == (('background',), *lists['sclip_context59'])
    assert (lists['sclip_voc20'][3], lists['sclip_voc20'][10]) == (('ship',), ('table',))
    for name in ('ade20k', 'coco_stuff', 'cityscapes', 'context59', 'context60'):
        assert all(len(entry) == 1 for entry in lists[f'sclip_{name}']), name
    # Compound names are one word, and those of stuff keep their hyphen.
    assert lists['sclip_cityscapes'][6] == ('trafficlight',)
    assert ('chestofdrawers',) in lists['sclip_ade20k']
    assert {('building-other',), ('wall-tile',)} <= set(lists['sclip_coco_stuff'])


@cases('name', ['sclip_coco_object', 'itaclip_coco_object'])
def test_published_list_with_a_name_twice_says_so_once_and_names_the_fixed_one(
        name, tmp_path, caplog):
    module._warn_held_twice.cache_clear()
    with caplog.at_level(logging.WARNING, 'mmseg'):
        entries, again = load_vocabulary(name).entries, load_vocabulary(name).entries
    lines = [record.getMessage() for record in caplog.records if f"'{name}'" in record.getMessage()]
    assert len(lines) == 1 and entries == again
    assert "the name 'bed' in class 0 and in class 60" in lines[0]
    assert f"class 60 (bed) can't win. Class set '{name}_fixed'" in lines[0]
    assert 'bed' in entries[0] and entries[60] == ('bed',)
    fixed = load_vocabulary(f'{name}_fixed').entries
    assert fixed[0] == tuple(word for word in entries[0] if word != 'bed')
    assert fixed[1:] == entries[1:]
    # Neither a copy of the list nor one under its name is excused.
    (tmp_path / f'{name}.txt').write_text('\n'.join('; '.join(entry) for entry in entries))
    with pytest.raises(InputError, match="'bed' stands twice .* in lines 1 and 61"):
        load_vocabulary(tmp_path / f'{name}.txt')
    with pytest.raises(InputError, match="'bed' stands twice"):
        load_vocabulary(entries)


def test_set_that_holds_a_name_twice_keeps_both_classes_when_joined():
    own = load_vocabulary('sclip_coco_object')
    joined = combine_vocabularies(['sclip_coco_object', 'voc'])
    assert joined.entries[:81] == own.entries
    # Of VOC's, the names that the set does not have: "dining table" adds no class.
    assert set(joined.class_names[81:]) == {'motorbike', 'sofa', 'tv monitor'}
    assert 'bed' not in combine_vocabularies(['voc21', ['bed'], 'sclip_coco_object']).entries[-80:]


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
    for name in ('cat\ndog', 'cat\x07', 'cat\udcff', 'a\u2028cat'):
        # Label files of one name a line, JSON and XML could not hold it.
        with pytest.raises(InputError, match='item 2 .* expected one line of text'):
            load_vocabulary(['dog', name])
    assert load_vocabulary(['ein großer\u00a0Hund', '犬']).class_names[1] == '犬'
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
            (['cat', 'a dog\nsky'], 'item 2 of classes of X is .*a dog.nsky.* expected one line'),
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
        'imagenet85': 85, 'openai80': 80, 'imagenet80': 80, 'openai7': 7, 'zegclip15': 15,
        'cifar18': 18, 'single': 1}
    assert load_templates('single') == ('a photo of a {}.',)
    assert all(len(set(load_templates(name))) == len(load_templates(name))
               for name in list_templates())


def test_the_first_80_templates_are_open_clip_s():
    filled = [template.replace('{}', 'cat') for template in load_templates('imagenet80')]
    assert filled == [template('cat') for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert load_templates('openai80') == load_templates('imagenet80')
    scenes = set(load_templates('imagenet85')) - set(load_templates('imagenet80'))
    assert len(scenes) == 5 and all(template.endswith('in the scene.') for template in scenes)


def test_templates_of_one_s_own():
    assert load_templates(['the {} here']) == ('the {} here',)
    for bad in (['no place'], ['{} and {}'], [], 'imagenet86'):
        with pytest.raises(InputError, match='expected'):
            load_templates(bad)
