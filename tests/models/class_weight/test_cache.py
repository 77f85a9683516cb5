import multiprocessing
import os
import pickle
import sqlite3
import threading

import numpy as np
import pytest
import torch

from mmseg_maskclip.models.class_weight.cache import EmbeddingCache, FileKey, file_key
from mmseg_maskclip.utils import InputError

from helpers.cases import cases


def _key(name, version='1'):
    return FileKey(name, 'float32', version)


def test_key_follows_the_files_content(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'one')
    first = file_key(str(path))
    assert file_key(str(path)) == first
    os.utime(path, ns=(1, 1))
    assert file_key(str(path)) != first
    known = path.stat()
    path.write_bytes(b'two')
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert file_key(str(path)).version.startswith('3|1|')
    assert file_key(str(path)).version != f'3|1|{known.st_ctime_ns}'
    with pytest.raises(InputError, match=r'b\.jpg of the class weight cannot be read'):
        file_key(str(tmp_path / 'b.jpg'))


@pytest.mark.parametrize('on_disk', [False, True])
def test_gives_back_what_was_put_to_the_last_bit(on_disk, tmp_path):
    path = tmp_path / 'kept/cache.sqlite' if on_disk else None
    values = {_key(str(index)): torch.randn(16) for index in range(5)}
    cache = EmbeddingCache(10, 16, path)
    cache.put(values)
    again = EmbeddingCache(10, 16, path)
    for one in (cache, *([again] if on_disk else [])):
        assert all(torch.equal(one.get(key), value) for key, value in values.items())
    assert cache.get(_key('other')) is None
    assert on_disk or again.get(_key('0')) is None


@pytest.mark.parametrize('on_disk', [False, True])
def test_is_bounded_and_keeps_what_came_first(on_disk, tmp_path):
    path = tmp_path / 'cache.sqlite' if on_disk else None
    cache = EmbeddingCache(2, 3, path)
    cache.put({_key('a'): torch.ones(3)})
    cache.put({_key('b'): torch.ones(3), _key('c'): torch.ones(3)})
    cache.put({_key('d'): torch.ones(3)})
    fresh = EmbeddingCache(2, 3, path) if on_disk else cache
    assert [fresh.get(_key(name)) is not None for name in 'abcd'] == [True, True, False, False]
    assert EmbeddingCache(0, 3).get(_key('a')) is None


@pytest.mark.parametrize('on_disk', [False, True])
def test_new_version_takes_the_place_of_the_old_one(on_disk, tmp_path):
    path = tmp_path / 'cache.sqlite' if on_disk else None
    cache = EmbeddingCache(2, 3, path)
    cache.put({_key('a'): torch.ones(3), _key('b'): torch.ones(3)})
    cache.put({_key('a', '2'): torch.zeros(3)})
    fresh = EmbeddingCache(2, 3, path) if on_disk else cache
    assert fresh.get(_key('a')) is None and fresh.get(_key('a', '2')).sum() == 0
    assert fresh.get(_key('b')).sum() == 3


@cases('row', [b'', b'12345', b'\0' * 16, 'words',
               np.full(3, np.nan, np.float32).tobytes()])
def test_damaged_row_is_told(row, tmp_path):
    path = tmp_path / 'cache.sqlite'
    EmbeddingCache(2, 3, path).put({_key('a'): torch.ones(3)})
    with sqlite3.connect(path) as file:
        file.execute('UPDATE versions SET value = ?', (row,))
    with pytest.raises(InputError, match='does not hold embeddings of width 3; remove it'):
        EmbeddingCache(2, 3, path).get(_key('a'))


def _write(path, name):
    cache = EmbeddingCache(1000, 4, path)
    for index in range(20):
        cache.put({_key(f'{name}{index}'): torch.full((4,), float(index))})


def test_processes_share_a_file(tmp_path):
    path = tmp_path / 'cache.sqlite'
    fork = multiprocessing.get_context('fork')
    writers = [fork.Process(target=_write, args=(path, name)) for name in 'ab']
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    cache = EmbeddingCache(1000, 4, path)
    for name in 'ab':
        assert all(cache.get(_key(f'{name}{index}'))[0] == index for index in range(20))


def test_copies_and_threads_open_the_file_themselves(tmp_path):
    cache = EmbeddingCache(10, 3, tmp_path / 'cache.sqlite')
    cache.put({_key('a'): torch.ones(3)})
    fresh = pickle.loads(pickle.dumps(cache))
    fresh._kept.clear()
    assert torch.equal(fresh.get(_key('a')), torch.ones(3))
    cache._kept.clear()
    found = []
    thread = threading.Thread(target=lambda: found.append(cache.get(_key('a'))))
    thread.start()
    thread.join()
    assert torch.equal(found[0], torch.ones(3)) and torch.equal(cache.get(_key('a')), torch.ones(3))


def test_damaged_file_and_bad_settings_are_told(tmp_path):
    path = tmp_path / 'cache.sqlite'
    path.write_bytes(b'no data base at all' * 100)
    with pytest.raises(InputError, match='remove it, or unset model.class_weight.cache_dir'):
        EmbeddingCache(5, 3, path).get(_key('a'))
    with pytest.raises(InputError, match='cache_size is -1'):
        EmbeddingCache(-1, 3)
