"""How tools end."""

import argparse

import pytest
import torch

from mmseg_maskclip.cli.run import run_tool
from mmseg_maskclip.utils import InputError


def _end(capsys, main):
    with pytest.raises(SystemExit) as stop:
        run_tool(main, argparse.Namespace())
    return stop.value.code, capsys.readouterr().err


def _raise(error):
    def main(args):
        raise error
    return main


def test_exit_codes_and_sentences(capsys):
    assert _end(capsys, lambda args: None) == (0, '')
    assert _end(capsys, lambda args: 3) == (3, '')
    assert _end(capsys, _raise(InputError('x is 3.'))) == (2, 'error: x is 3.\n')
    from_a_worker = ('Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most '
                     'recent call last):\n ...\nmmseg_maskclip.utils.errors.InputError: x is 3.\n')
    assert _end(capsys, _raise(InputError(from_a_worker))) == (2, 'error: x is 3.\n')
    assert _end(capsys, _raise(KeyboardInterrupt())) == (130, 'interrupted\n')


def test_without_torch_it_says_what_runs(capsys):
    code, said = _end(capsys, _raise(ModuleNotFoundError("No module named 'mmcv'", name='mmcv')))
    assert code == 2 and said.startswith('error: this needs mmcv') and 'FILE.onnx --bank' in said
    with pytest.raises(ModuleNotFoundError):
        run_tool(_raise(ModuleNotFoundError('x', name='mmseg_maskclip.x')), argparse.Namespace())


@pytest.mark.parametrize('main', [
    lambda args: torch.empty(1 << 60), _raise(MemoryError()),
    _raise(torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 9 GiB.\nMore'))])
def test_lack_of_memory_is_one_sentence(capsys, main):
    code, said = _end(capsys, main)
    assert code == 2 and said.count('\n') == 1
    assert 'out of memory' in said and '--img-scale' in said


def test_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(_raise(ZeroDivisionError()), argparse.Namespace())
