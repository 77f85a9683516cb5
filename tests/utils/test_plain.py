"""Nested values in plain types, as JSON and safe loading need them."""

import json
import math
from types import MappingProxyType

import numpy as np
import pytest

from mmseg_maskclip.utils import to_plain


def test_nested_values_become_python_types():
    value = MappingProxyType({1: (np.float32(0.5), [np.int64(3)]), 'b': {'c': np.eye(2, dtype=int)},
                              'd': (True, None, 'word')})
    plain = to_plain(value)
    assert plain == {'1': [0.5, [3]], 'b': {'c': [[1, 0], [0, 1]]}, 'd': [True, None, 'word']}
    assert type(plain) is dict and type(plain['1'][0]) is float and type(plain['1'][1][0]) is int
    assert plain['d'][0] is True
    json.dumps(plain, allow_nan=False)


def test_a_numpy_float_does_not_pass_as_pythons():
    # np.float64 is a float to isinstance, but not to the safe unpickler.
    assert type(to_plain(np.float64(0.5))) is float


def test_the_given_value_is_not_changed():
    given = {'a': [1, (2,)]}
    plain = to_plain(given)
    plain['a'].append(3)
    assert given == {'a': [1, (2,)]}


def test_nan_becomes_none_where_asked():
    value = {'a': math.nan, 'b': [np.float64('nan'), 1.0], 'c': np.array([np.nan, 2])}
    assert to_plain(value, nan_to_none=True) == {'a': None, 'b': [None, 1.0], 'c': [None, 2.0]}
    assert math.isnan(to_plain(value)['c'][0])
    with pytest.raises(ValueError, match='JSON compliant'):
        json.dumps(to_plain(value), allow_nan=False)


def test_what_has_no_plain_form_stays():
    marker = object()
    assert to_plain({'a': [marker]})['a'][0] is marker
