"""The files that recordings are kept in."""

import shutil

import numpy as np
import pytest

from helpers.recordings import SAME_AS, read, recorded_names, write

WEIGHT = np.random.RandomState(0).randn(6, 4).astype(np.float32)
FIRST = {'weight': WEIGHT, 'again': WEIGHT.copy(), 'count': np.array(3)}
SECOND = {'sd/proj.weight': WEIGHT.reshape(6, 4, 1, 1), 'halves': WEIGHT.astype(np.float16),
          'names': np.array(['a', 'longer']), 'zeros': np.zeros(3, np.float32),
          'same bytes': np.zeros(3, np.int32)}


def _assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert (found[key].dtype, found[key].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[key], value)


def test_what_is_written_is_read_and_every_array_stored_once(tmp_path):
    write({'first': FIRST, 'second': SECOND}, tmp_path)
    _assert_same(read('first', tmp_path), FIRST)
    _assert_same(read('second', tmp_path), SECOND)
    assert recorded_names('fi', tmp_path) == {'first'}
    alone = tmp_path / 'alone'
    alone.mkdir()
    shutil.copy(tmp_path / 'second.npz.xz', alone)
    with pytest.raises(FileNotFoundError, match='first'):
        read('second', alone)


def test_plain_files_are_read_too(tmp_path):
    np.savez_compressed(tmp_path / 'plain.npz', **FIRST)
    assert SAME_AS not in read('plain', tmp_path)
    _assert_same(read('plain', tmp_path), FIRST)
    assert recorded_names('plain', tmp_path) == {'plain'}


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'maskclip_head\.npz'):
        read('maskclip_head', tmp_path)
