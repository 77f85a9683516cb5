"""One check of numbers: what passes, what is refused, and what the error says."""

import math

import numpy as np
import pytest

from mmseg_maskclip.utils import InputError, require_number

from helpers.cases import cases


def test_numbers_in_range_are_returned_as_they_are():
    assert require_number(0, 'x', minimum=0) == 0
    assert require_number(0.25, 'x', above=0, maximum=0.25) == 0.25
    assert require_number(-3.5, 'x') == -3.5
    count = np.int64(7)
    assert require_number(count, 'x', minimum=7, maximum=7, whole=True) is count
    assert require_number(np.float32(0.5), 'x') == np.float32(0.5)


@cases('value, options, message', [
    ('0.5', {}, "x is '0.5', expected a number."),
    (None, {'whole': True}, 'x is None, expected a whole number.'),
    (True, {'minimum': 0}, 'x is True, expected a number of at least 0.'),
    (2.0, {'whole': True}, 'x is 2.0, expected a whole number.'),
    (math.nan, {}, 'x is nan, expected a number.'),
    (math.inf, {'above': 0}, 'x is inf, expected a number above 0.'),
    (0, {'above': 0}, 'x is 0, expected a number above 0.'),
    (-1, {'minimum': 0, 'whole': True}, 'x is -1, expected a whole number of at least 0.'),
    (1.5, {'minimum': 0, 'maximum': 1}, 'x is 1.5, expected a number from 0 to 1.'),
    (-0.5, {'minimum': 0, 'maximum': 1}, 'x is -0.5, expected a number from 0 to 1.'),
    (0.0, {'above': 0, 'maximum': 1}, 'x is 0.0, expected a number above 0 and at most 1.'),
    (9, {'maximum': 5}, 'x is 9, expected a number of at most 5.'),
    (-1, {'minimum': 0, 'hint': '0 is off'}, 'x is -1, expected a number of at least 0; 0 is off.'),
    (10 ** 400, {'maximum': 5}, f'x is {10 ** 400}, expected a number of at most 5.'),
    ([1], {}, 'x is [1], expected a number.'),
])
def test_everything_else_is_refused_with_value_and_range(value, options, message):
    with pytest.raises(InputError) as caught:
        require_number(value, 'x', **options)
    assert str(caught.value) == message
