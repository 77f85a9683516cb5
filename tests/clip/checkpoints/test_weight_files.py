"""What a weights file may hold beside tensors."""

import numpy as np
import pytest
import torch

from mmseg_maskclip.clip import read_weights_file
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

NUMBERS = [np.float64(0.5), np.float32(1.5), np.float16(2), np.int64(3), np.uint8(4),
           np.bool_(True), np.complex64(1j)]


def _written_by(core: str, content: dict, path) -> None:
    """Save as a NumPy does whose C functions lie in ``numpy.{core}``."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    found = np.float64(0).__reduce__()[0].__module__
    written = path.read_bytes()
    assert f'c{found}\nscalar\n'.encode() in written
    path.write_bytes(written.replace(f'c{found}\nscalar\n'.encode(),
                                     f'cnumpy.{core}.multiarray\nscalar\n'.encode()))


@pytest.mark.parametrize('core', ['core', '_core'])
def test_numbers_of_numpy_are_read_under_both_of_its_names(core, tmp_path):
    path = tmp_path / 'best.pth'
    _written_by(core, {'meta': {'best': NUMBERS}, 'state_dict': {'x': torch.ones(2)}}, path)
    content, _ = read_weights_file(path)
    best = content['meta']['best']
    assert best == NUMBERS
    assert [type(value) for value in best] == [type(value) for value in NUMBERS]


def test_they_are_allowed_for_our_own_files_alone(tmp_path):
    torch.save({'best': NUMBERS[0]}, tmp_path / 'best.pth')
    read_weights_file(tmp_path / 'best.pth')
    assert np.dtype not in torch.serialization.get_safe_globals()


@cases('value', [np.arange(3), np.array(['a'], dtype=object), slice(1)], ids=repr)
def test_everything_else_stays_refused_and_is_named(value, tmp_path):
    torch.save({'extra': value}, tmp_path / 'x.pth')
    with pytest.raises(InputError, match=r'objects other than tensors \(.*(_reconstruct|slice)'):
        read_weights_file(tmp_path / 'x.pth')
