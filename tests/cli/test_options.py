"""KEY=VALUE words: mmcv's types, and the blanks that mmcv loses."""

import pytest
from mmcv.utils import DictAction

from mmseg_maskclip.cli.options import parse_options
from mmseg_maskclip.utils import InputError


def test_words_without_blanks_and_quotes_are_as_mmcv_reads_them():
    for text in ('3', '-1', '1e-3', 'true', 'False', 'None', 'abc', '', '[1,2]', '(1,2)', '1,2',
                 '(3,)', '[]', '()', 'a,', 'a,b', '[(1,2),(3,4)]', '[[1,2],[3]]',
                 'a/b.pth', '[a,None,2.5]', '0.5,abc'):
        assert parse_options([f'key={text}']) == {'key': DictAction._parse_iterable(text)}, text


def test_blanks_and_quotes_stay_where_they_are_meant():
    for text, value in {
            "['traffic light','tall grass']": ['traffic light', 'tall grass'],
            "['a photo of {}.']": ['a photo of {}.'], 'my pictures': 'my pictures',
            '["x, y","z"]': ['x, y', 'z'], '[a b, c d]': ['a b', 'c d'], ' 3 ': 3,
            "[one word,'an, other']": ['one word', 'an, other'], "it's": "it's",
            "('a b', (1, 2))": ('a b', (1, 2)), "{'type': 'Resize', 'n': 3}":
            {'type': 'Resize', 'n': 3}, "'3'": '3', 'a photo of {}.': 'a photo of {}.',
            '/data/my pictures, old': ['/data/my pictures', 'old']}.items():
        assert parse_options([f'key={text}']) == {'key': value}, text


def test_several_words_make_one_dict():
    assert parse_options(['a.b=1', 'c=x=y']) == {'a.b': 1, 'c': 'x=y'}
    assert parse_options([]) == {}


def test_what_can_not_be_read_is_told():
    for pair, words in {'word': 'expected KEY=VALUE', '=3': 'expected KEY=VALUE',
                        'a=[1': 'not balanced', 'a=(1,2))': 'not balanced'}.items():
        with pytest.raises(InputError, match=words):
            parse_options([pair])
