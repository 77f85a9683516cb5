"""Where tools/test.py and tools/train.py run, and mmseg's older flags."""

import argparse
import os
import subprocess
import sys

import pytest
import torch

from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_process_flags,
    choose_gpu,
    settle_flags,
)
from mmseg_maskclip.engine.results import outputs
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.configs import CONFIGS
from helpers.tools import ROOT, assert_bad_input, run_tool
from helpers.training import write_training_config

CONFIG = CONFIGS / 'tiny/maskclip_tinyrn_256x256_tinyworld.py'


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """The flags change the environment."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', os.environ.get('CUDA_VISIBLE_DEVICES', '0'))


@pytest.fixture
def tool(call_tool, tiny_world, tiny_rn, tmp_path):
    def run(*flags, options='--cfg-options', eval=('--eval', 'mIoU')):
        return call_tool('tools/test.py', CONFIG, tiny_rn, *eval, '--work-dir', tmp_path / 'work',
                         *flags, options, f'data.test.data_root={tiny_world}',
                         'data.workers_per_gpu=0')
    return run


def _settled(*words):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    add_process_flags(parser)
    args = parser.parse_args(words)
    settle_flags(args)
    return args


def test_options_is_the_old_name_of_cfg_options(tool):
    done = tool(options='--options')
    assert done.returncode == 0, done.stderr
    assert '--options is deprecated' in done.stdout + done.stderr
    assert_bad_input(tool('--options', 'a=3'), '--cfg-options', '--options')


def test_gpu_ids_are_taken_with_a_word(tool):
    for flags in (['--gpu-ids', 0], ['--gpus', 1]):
        done = tool(*flags)
        assert done.returncode == 0, done.stderr
        assert 'use --gpu-id.' in done.stdout + done.stderr


@cases('words, gpu', [([], 0), (['--gpu-id', '1'], 1), (['--gpu-ids', '1', '0'], 1),
                      (['--gpus', '2'], 0), (['--device', 'cuda:1'], 1), (['--device', 'cuda'], 0)])
def test_one_gpu_is_chosen(monkeypatch, words, gpu):
    chosen = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setattr(torch.cuda, 'set_device', chosen.append)
    choose_gpu(_settled(*words))
    assert chosen == [gpu]


@cases('words, said', [
    (['--gpu-id', '2'], '--gpu-id is 2, this machine has 2 GPUs'),
    (['--device', 'cuda:7'], '--device is cuda:7, this machine has 2 GPUs'),
    (['--device', 'tpu'], "--device is 'tpu', expected cpu, cuda or cuda:N"),
    (['--device', 'cuda:x'], "--device is 'cuda:x'"),
    (['--device', 'cpu:0'], "--device is 'cpu:0'"),
    (['--device', 'cuda:1', '--launcher', 'pytorch'], 'use --device cuda'),
])
def test_a_device_that_is_not_there_is_told(monkeypatch, words, said):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(InputError, match=said):
        choose_gpu(_settled(*words))


def test_cuda_without_a_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(InputError, match='--device cuda:1: torch finds no GPU'):
        choose_gpu(_settled('--device', 'cuda:1'))


_SPY = """
import os, runpy, sys

class Spy:
    def find_spec(self, name, *_):
        if name == 'torch':
            print('GPUs seen by torch:', repr(os.environ['CUDA_VISIBLE_DEVICES']))

sys.meta_path.insert(0, Spy())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.parametrize('words', [['tools/test.py', 'none.py', 'none.pth', '--eval', 'mIoU'],
                                   pytest.param(['tools/train.py', 'none.py'],
                                                marks=pytest.mark.slow)])
def test_device_cpu_hides_the_gpus_before_torch_looks(words):
    done = subprocess.run([sys.executable, '-c', _SPY, *words, '--device', 'cpu'], cwd=ROOT,
                          capture_output=True, text=True)
    assert_bad_input(done, 'none.py')
    assert "GPUs seen by torch: ''" in done.stdout


def test_device_cpu_runs(tool, call_tool, tiny_world, tmp_path):
    done = tool('--device', 'cpu')
    assert done.returncode == 0, done.stderr
    config = write_training_config(tmp_path / 'config.py', tiny_world, 1)
    done = call_tool('tools/train.py', config, '--work-dir', tmp_path, '--device', 'cpu',
                     '--no-validate')
    assert done.returncode == 0, done.stderr
    assert 'device: cpu' in done.stdout + done.stderr


def test_label_maps_are_merged_in_tmpdir(tool, tmp_path, monkeypatch):
    folders = []
    monkeypatch.setattr(outputs, 'merge_dicts',
                        lambda part, folder, _: folders.append(folder) or part)
    for flags in ([], ['--tmpdir', tmp_path / 'parts']):
        done = tool('--out', tmp_path / 'maps.pkl', *flags)
        assert done.returncode == 0, done.stderr
    assert folders == [tmp_path / 'work', tmp_path / 'parts']
    assert_bad_input(tool('--tmpdir', '/dev/null/x'), '--tmpdir /dev/null/x')


def test_show_is_answered_with_show_dir(tool):
    assert_bad_input(tool('--show'), '--show-dir DIR')


def test_a_work_dir_in_place_of_n_is_answered_with_the_right_form():
    done = run_tool('tools/dist_train.sh', 'c.py', 'work_dirs/mine')
    assert_bad_input(done, 'bash tools/dist_train.sh c.py N --work-dir work_dirs/mine')
    done = run_tool('tools/dist_test.sh', 'c.py', 'w.pth', '--eval', 'mIoU')
    assert_bad_input(done, 'bash tools/dist_test.sh c.py w.pth N')
