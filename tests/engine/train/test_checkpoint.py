"""Files of training: whole, found again, and refused where they don't fit."""

import pickle

import pytest
import torch

from mmseg_maskclip.engine.train.checkpoint import (
    differing_keys,
    latest_checkpoint,
    link_latest,
    read_checkpoint,
    remove_leftovers,
    write_checkpoint,
)
from mmseg_maskclip.utils import InputError


def _write(folder, number):
    path = folder / f'iter_{number}.pth'
    write_checkpoint(path, {'meta': {'iter': number}, 'state_dict': {'a': torch.ones(3)}})
    return path


def test_newest_intact_one_is_found(tmp_path):
    assert latest_checkpoint(tmp_path / 'none') is None
    for number in (5, 40, 300):
        _write(tmp_path, number)
    (tmp_path / 'iter_300.pth').write_bytes((tmp_path / 'iter_300.pth').read_bytes()[:-200])
    (tmp_path / 'iter_999.pth').write_bytes(b'')
    (tmp_path / 'best_mIoU_iter_500.pth').write_bytes(b'')
    torch.save([1], tmp_path / 'iter_400.pth')
    assert latest_checkpoint(tmp_path).name == 'iter_40.pth'


def test_what_an_earlier_longer_run_left_is_not_the_newest(tmp_path):
    _write(tmp_path, 800)
    link_latest(_write(tmp_path, 20))
    assert latest_checkpoint(tmp_path).name == 'iter_20.pth'
    (tmp_path / 'iter_20.pth').write_bytes(b'half')
    assert latest_checkpoint(tmp_path).name == 'iter_800.pth'


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = _write(tmp_path, 1)

    class Broken:
        def __reduce__(self):
            raise RuntimeError('the disk is full')

    with pytest.raises(RuntimeError, match='disk is full'):
        write_checkpoint(path, {'state_dict': Broken()})
    assert read_checkpoint(path)['meta'] == {'iter': 1}
    assert list(tmp_path.iterdir()) == [path]


def test_latest_follows_and_leftovers_go(tmp_path):
    for number in (1, 2):
        link_latest(_write(tmp_path, number))
    assert read_checkpoint(tmp_path / 'latest.pth')['meta']['iter'] == 2
    (tmp_path / '.iter_3.x8s7d.pth').write_bytes(b'half')
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['iter_1.pth', 'iter_2.pth',
                                                                'latest.pth']


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / 'owned'), 'w'))

    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'x': Evil()}, path, pickle_module=pickle)
    with pytest.raises(InputError, match='holds objects other than tensors'):
        read_checkpoint(path)
    assert not (tmp_path / 'owned').exists()


def test_differing_settings_are_named():
    first = {'a': 1, 'head': {'type': 'X', 'n': [1, 2]}}
    assert differing_keys(first, first) == []
    assert differing_keys(first, {'a': 1, 'head': {'type': 'Y', 'n': [1]}, 'b': None, 'c': 0}) == [
        'c', 'head.n', 'head.type']
