import os
import pickle
import subprocess
import sys
import threading

import pytest
import torch

from mmseg_maskclip.models.embedding_cache import EmbeddingCache, file_key
from mmseg_maskclip.utils import InputError


def test_key_follows_the_files_content(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'one')
    first = file_key(str(path))
    assert file_key(str(path)) == first
    os.utime(path, ns=(1, 1))
    assert file_key(str(path)) != first
    with pytest.raises(InputError, match=r'b\.jpg of the class weight can not be read'):
        file_key(str(tmp_path / 'b.jpg'))


@pytest.mark.parametrize('on_disk', [False, True])
def test_gives_back_what_was_put_to_the_last_bit(on_disk, tmp_path):
    path = tmp_path / 'kept/cache.sqlite' if on_disk else None
    values = {str(index): torch.randn(16) for index in range(5)}
    cache = EmbeddingCache(10, path)
    cache.put(values)
    again = EmbeddingCache(10, path)
    for one in (cache, *([again] if on_disk else [])):
        assert all(torch.equal(one.get(key), value) for key, value in values.items())
    assert cache.get('other') is None
    assert on_disk or again.get('0') is None


@pytest.mark.parametrize('on_disk', [False, True])
def test_is_bounded_and_keeps_what_came_first(on_disk, tmp_path):
    path = tmp_path / 'cache.sqlite' if on_disk else None
    cache = EmbeddingCache(2, path)
    cache.put({'a': torch.ones(3)})
    cache.put({'b': torch.ones(3), 'c': torch.ones(3)})
    cache.put({'d': torch.ones(3)})
    fresh = EmbeddingCache(2, path) if on_disk else cache
    assert [fresh.get(key) is not None for key in 'abcd'] == [True, True, False, False]
    assert EmbeddingCache(0).get('a') is None


_WRITE = """
import sys, torch
from mmseg_maskclip.models.embedding_cache import EmbeddingCache
cache = EmbeddingCache(1000, sys.argv[1])
for index in range(20):
    cache.put({f'{sys.argv[2]}{index}': torch.full((4,), float(index))})
"""


def test_processes_share_a_file(tmp_path):
    path = tmp_path / 'cache.sqlite'
    writers = [subprocess.Popen([sys.executable, '-W', 'ignore', '-c', _WRITE, str(path), name])
               for name in 'ab']
    assert [writer.wait() for writer in writers] == [0, 0]
    cache = EmbeddingCache(1000, path)
    assert all(cache.get(f'{name}{index}')[0] == index for name in 'ab' for index in range(20))


def test_copies_and_threads_open_the_file_themselves(tmp_path):
    cache = EmbeddingCache(10, tmp_path / 'cache.sqlite')
    cache.put({'a': torch.ones(3)})
    fresh = pickle.loads(pickle.dumps(cache))
    fresh._kept.clear()
    assert torch.equal(fresh.get('a'), torch.ones(3))
    cache._kept.clear()
    found = []
    thread = threading.Thread(target=lambda: found.append(cache.get('a')))
    thread.start()
    thread.join()
    assert torch.equal(found[0], torch.ones(3)) and torch.equal(cache.get('a'), torch.ones(3))


def test_damaged_file_and_bad_settings_are_told(tmp_path):
    path = tmp_path / 'cache.sqlite'
    path.write_bytes(b'no data base at all' * 100)
    with pytest.raises(InputError, match='remove it, or unset model.class_weight.cache_dir'):
        EmbeddingCache(5, path).get('a')
    with pytest.raises(InputError, match='cache_size is -1'):
        EmbeddingCache(-1)
