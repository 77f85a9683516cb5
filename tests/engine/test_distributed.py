"""Processes of a run: joined, and left in whatever way the run ends."""

import socket

import pytest
import torch
import torch.distributed as dist

from mmseg_maskclip.engine import distributed
from mmseg_maskclip.engine.distributed import processes, sum_over_processes
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import assert_bad_input, free_port, run_tool

LAUNCH = 'tools/maskclip_utils/launch.py'


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch):
    """Processes join over gloo, here and in what a test starts."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')


@pytest.fixture
def torchruns_environment(monkeypatch):
    for name, value in dict(RANK=0, LOCAL_RANK=0, WORLD_SIZE=1, MASTER_ADDR='127.0.0.1',
                            MASTER_PORT=free_port()).items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize('failure', [None, InputError('wrong'), KeyboardInterrupt()])
def test_group_is_left_however_the_run_ends(torchruns_environment, failure):
    """A process that ends within its gloo group aborts now and then."""
    try:
        with processes('pytorch'):
            assert dist.get_backend() == 'gloo'
            assert sum_over_processes(torch.ones(2)).tolist() == [1, 1]
            if failure:
                raise failure
    except type(failure) as raised:
        assert raised is failure
    assert not dist.is_initialized()


@cases('settings, backend', [(None, 'nccl'), ({}, 'nccl'), ({'backend': 'gloo'}, 'gloo')])
def test_backend_on_gpus_is_the_configs(torchruns_environment, monkeypatch, settings, backend):
    joined = []

    def join(launcher, backend):
        joined.append(backend)
        dist.init_process_group('gloo')

    monkeypatch.setattr(distributed, 'init_dist', join)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    with processes('pytorch', settings):
        assert joined == [backend]


@cases('settings', ['abc', {'backend': 'ncl'}, {'backend': None}])
def test_unknown_backend_is_told(torchruns_environment, settings):
    with pytest.raises(InputError, match='dist_params is .*nccl, gloo, mpi'), \
            processes('pytorch', settings):
        pass


def test_single_process_joins_nothing():
    with processes('none'):
        assert not dist.is_initialized()


def _launch(tmp_path, script):
    path = tmp_path / 'tool.py'
    path.write_text('import argparse, os\nrank = os.environ["RANK"]\n' + script)
    return run_tool(LAUNCH, '--standalone', '--nproc_per_node=2', path, timeout=120)


RUN = ('from mmseg_maskclip.cli.run import run_tool\n'
       'from mmseg_maskclip.utils import InputError\n'
       'def main(args): raise InputError({})\n'
       'run_tool(main, argparse.Namespace())\n')


@pytest.mark.slow
def test_launcher_says_what_all_processes_say_once(tmp_path):
    done = _launch(tmp_path, RUN.format('"the file x is missing."'))
    assert_bad_input(done, 'error: the file x is missing.')


ALONE = """
from mmseg_maskclip.cli.run import run_tool
from mmseg_maskclip.engine import distributed
from mmseg_maskclip.engine.distributed import processes, sum_over_processes
from mmseg_maskclip.utils import InputError
import torch
def main(args):
    with processes('pytorch'):
        sum_over_processes(torch.ones(1))
        if rank == '1':
            raise InputError('label 200 is out of range.')
        sum_over_processes(torch.ones(1))
run_tool(main, argparse.Namespace())
"""


def test_what_one_process_finds_is_told_without_the_others_tracebacks(tmp_path):
    """The others wait for it, and lose the connection."""
    assert_bad_input(_launch(tmp_path, ALONE), 'error: label 200 is out of range.')


def test_port_in_use_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        done = run_tool(LAUNCH, '--master_addr=127.0.0.1', '--nproc_per_node=1',
                        f'--master_port={taken.getsockname()[1]}', tmp_path / 'none.py',
                        timeout=120)
    assert_bad_input(done, 'cannot be started', 'PORT')


def test_launcher_keeps_the_report_of_a_crash(tmp_path):
    done = _launch(tmp_path, 'raise ZeroDivisionError("by " + rank)')
    assert done.returncode == 1
    assert 'ZeroDivisionError: by ' in done.stderr and 'exitcode  : 1' in done.stderr


def test_launcher_passes_success_on(tmp_path):
    done = _launch(tmp_path, 'print("done", rank)')
    assert done.returncode == 0
    assert sorted(done.stdout.split()) == ['0', '1', 'done', 'done']
