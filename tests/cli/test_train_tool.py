"""tools/train.py and its launcher as a user runs them, on the embedded world."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from mmseg_maskclip.engine.config import load_config

from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input, free_port, run_processes, run_tool, start_tool
from helpers.training import curve, write_training_config

TOOL = 'tools/train.py'
ITERATIONS = 8


@pytest.fixture(scope='module')
def config(tiny_world, tmp_path_factory):
    """With worker processes, dropout and two stages."""
    return write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world,
                                 ITERATIONS, workers=2)


@pytest.fixture(scope='module')
def groups(tiny_world, tmp_path_factory):
    """Without dropout, normalised by groups: two processes are one with their batches."""
    return write_training_config(tmp_path_factory.mktemp('config') / 'groups.py', tiny_world, 4,
                                 norm='GN')


def _state(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_killed_and_resumed_it_ends_the_same(config, tmp_path):
    """Killed in the first stage; the uninterrupted run has no workers and no evaluation."""
    killed, whole = tmp_path / 'killed', tmp_path / 'whole'
    run = start_tool(TOOL, config, '--work-dir', killed, '--seed', 4)
    run.wait_for(killed / 'iter_2.pth')
    run.signal(signal.SIGKILL)
    assert run.wait().returncode == -signal.SIGKILL
    assert not (killed / f'iter_{ITERATIONS}.pth').exists()
    done = run_tool(TOOL, config, '--work-dir', killed, '--auto-resume')
    assert done.returncode == 0, done.stderr
    done = run_tool(TOOL, config, '--work-dir', whole, '--seed', 4, '--no-validate',
                     '--cfg-options', 'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    expected = curve(whole)
    assert sorted(expected) == list(range(1, ITERATIONS + 1))
    for name in ('loss', 'lr'):
        found = curve(killed, name)
        # Killed after the checkpoint of iteration 2 was written, maybe before its line in the log.
        assert {**{2: curve(whole, name)[2]}, **found} == curve(whole, name)
    final = [_state(folder / f'iter_{ITERATIONS}.pth') for folder in (killed, whole)]
    assert all(torch.equal(value, final[1][key]) for key, value in final[0].items())
    assert not list(killed.glob('.iter_*'))


_PROBE = """
from mmcv.runner import HOOKS, Hook, get_dist_info
import torch

@HOOKS.register_module()
class NoiseProbe(Hook):
    def before_train_iter(self, runner):
        with open(f'{runner.work_dir}/noise_{get_dist_info()[0]}.txt', 'a') as file:
            print(torch.rand(1).item(), file=file)
"""


def _with_probe(config, tmp_path, monkeypatch):
    """The config with a hook that writes down a random number of each step and process."""
    (tmp_path / 'noise_probe.py').write_text(_PROBE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
    imports = [*load_config(config).custom_imports['imports'], 'noise_probe']
    path = tmp_path / 'probed.py'
    path.write_text(f'_base_ = [{str(config)!r}]\ncustom_imports = dict(imports={imports})\n'
                    "custom_hooks = [dict(type='NoiseProbe', priority='LOW')]\n")
    return path


@pytest.mark.parametrize('weighted', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_processes_are_one_with_twice_the_batch(weighted, groups, call_tool, tmp_path,
                                                     monkeypatch):
    """Whether they draw the same noise or not, which nothing here depends on."""
    options = ['model.decode_head.dropout_ratio=0', 'evaluation.interval=4', 'optimizer.lr=0.01']
    if weighted:
        # Labels and scores by the image's prior; the two share a cache on disk.
        options += ['model.class_weight.classifier=TinyRN', 'model.class_weight.on=both',
                    f'model.class_weight.cache_dir={tmp_path}/cache']
    single, double = tmp_path / 'single', tmp_path / 'double'
    flags = [_with_probe(groups, tmp_path, monkeypatch), '--work-dir', double, '--seed', 2,
             '--cfg-options', *options, 'data.samples_per_gpu=2', 'total_batch_size=4']
    if weighted:
        config, *flags = flags
        runs = [run_tool('tools/dist_train.sh', config, 2, '--diff-seed', *flags,
                         env={'PORT': str(free_port())})]
    else:
        runs = run_processes(TOOL, *flags)
    assert not any(done.returncode for done in runs), [done.stderr for done in runs]
    printed = ''.join(done.stdout + done.stderr for done in runs)
    assert 'Processes: 2' in printed and 'images a step' not in printed
    noise = [(double / f'noise_{rank}.txt').read_text().split() for rank in (0, 1)]
    assert [one == other for one, other in zip(*noise)] == [not weighted] * 4
    assert len(set(noise[0])) == 4
    done = call_tool(TOOL, groups, '--work-dir', single, '--seed', 2, '--cfg-options', *options,
                     'data.samples_per_gpu=4', 'total_batch_size=4')
    assert done.returncode == 0, done.stderr
    # Sums in another order: the last bits differ, and with them a few arg-max labels.
    assert curve(single)[1] == pytest.approx(curve(double)[1], abs=2e-5)
    assert curve(single) == pytest.approx(curve(double), rel=2e-4)
    assert len(set(curve(single).values())) == 4
    states = [_state(folder / 'iter_4.pth') for folder in (single, double)]
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-3, atol=1e-4, msg=key)
    figures = [json.loads((folder / 'evaluations.json').read_text())['4']['metrics']
               for folder in (single, double)]
    assert figures[0] == pytest.approx(figures[1], abs=2e-3)


@pytest.fixture
def any_algorithm():
    """torch as it starts: free to choose algorithms whose bits differ from run to run."""
    def choose(deterministic, benchmark):
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.deterministic = deterministic
        torch.backends.cudnn.benchmark = benchmark

    choose(False, True)
    yield
    choose(False, False)


def test_deterministic_algorithms_are_chosen_if_asked(config, call_tool, tmp_path, any_algorithm):
    for flags in ([], ['--deterministic']):
        done = call_tool(TOOL, config, '--work-dir', tmp_path, '--no-validate', '--seed', 0, *flags,
                         '--cfg-options', 'runner.max_iters=1', 'data.workers_per_gpu=0')
        assert done.returncode == 0, done.stderr
        asked = bool(flags)
        assert torch.are_deterministic_algorithms_enabled() == asked
        assert torch.backends.cudnn.deterministic == asked
        assert torch.backends.cudnn.benchmark != asked
        meta = torch.load(tmp_path / 'iter_1.pth', weights_only=True)['meta']
        assert meta['deterministic'] == asked


def test_trained_checkpoint_is_tested(config, call_tool, tmp_path):
    done = call_tool(TOOL, config, '--work-dir', tmp_path, '--seed', 0, '--amp', 'bf16',
                     '--no-validate', '--cfg-options', 'runner.max_iters=1',
                     'data.workers_per_gpu=0', 'total_batch_size=16')
    assert done.returncode == 0, done.stderr
    assert '2 images a step' in done.stdout + done.stderr
    done = call_tool('tools/test.py', config, tmp_path / 'latest.pth', '--eval', 'mIoU',
                     '--work-dir', tmp_path / 'test', '--cfg-options', 'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / 'test').glob('eval_*.json'))


def test_help_answers_at_once():
    """No heavy import before the command line is read."""
    code = ('import sys, runpy; sys.argv = ["train.py", "--help"]\n'
            'try: runpy.run_path("tools/train.py", run_name="__main__")\n'
            'except SystemExit: pass\n'
            'assert "torch" not in sys.modules')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True, text=True,
                          capture_output=True)
    for flag in ('--work-dir', '--load-from', '--resume-from', '--auto-resume', '--no-validate',
                 '--seed', '--diff-seed', '--deterministic', '--cfg-options', '--launcher',
                 '--gpu-id', '--amp', '--auto-scale-lr'):
        assert flag in done.stdout


@cases('flags, words', [
    (['--resume-from', 'none.pth'], ['checkpoint of --resume-from', 'none.pth']),
    (['--load-from', 'none.pth'], ['checkpoint of --load-from', 'none.pth']),
    (['--work-dir', '/dev/null/x'], ['work dir', '/dev/null/x']),
    (['--seed', '-1'], ['seed is -1']),
    (['--launcher', 'pytorch'], ['dist_train.sh']),
    (['--cfg-options', 'model.pretrained=pretrain/none.pth'], ['pretrain/none.pth', 'exist']),
    (['--cfg-options', 'model.decode_head.num_classes=3'], ['3']),
    (['--cfg-options', 'model.labelling.self_train=(2,-1)'], ['overlap']),
    (['--cfg-options', 'optimizer.lr=abc'], ["optimizer.lr is 'abc'"]),
    (['--cfg-options', 'data.train.pipeline.3.crop_size=3'],
     ['data.train cannot', 'RandomCrop']),
    (['--resume-from', 'CONFIG'], ['is not a weights file']),
    (['--cfg-options', 'optimizer.type=Nothing'], ['Nothing', 'optimizer registry']),
    (['--cfg-options', 'optimizer.momentum=abc'], ['optimizer cannot be built', 'str']),
    (['--cfg-options', 'custom_hooks.0.type=NoHook'], ['NoHook', 'registry']),
    (['--cfg-options', 'data.train.data_root=none'], ['none', 'does not exist']),
])
def test_bad_input_is_one_sentence(config, call_tool, tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    work_dir = [] if '--work-dir' in flags else ['--work-dir', tmp_path / 'work']
    flags = [config if word == 'CONFIG' else word for word in flags]
    done = call_tool(TOOL, config, *work_dir, *flags)
    assert_bad_input(done, *words)


def test_config_without_a_schedule_is_told(call_tool, tmp_path):
    done = call_tool(TOOL, ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py',
                     '--work-dir', tmp_path)
    assert_bad_input(done, "no 'optimizer'", 'schedules')


def test_missing_config_and_arguments_are_told(call_tool, tmp_path):
    assert_bad_input(call_tool(TOOL, tmp_path / 'none.py'), 'none.py', 'does not exist')
    assert run_tool('tools/dist_train.sh', 'config.py').returncode == 2
    for script in (['dist_train.sh', 'c.py', 'many'], ['dist_test.sh', 'c.py', 'w.pth', '0']):
        assert_bad_input(run_tool(f'tools/{script[0]}', *script[1:]), 'N is', script[-1])
    assert 'usage' in run_tool('tools/slurm_train.sh', 'part').stderr


@pytest.mark.parametrize(('script', 'arguments', 'started'), [
    ('slurm_train.sh', ['c.py', '--seed', '1'], 'tools/train.py c.py --launcher slurm --seed 1'),
    ('slurm_test.sh', ['c.py', 'w.pth', '--eval', 'mIoU'],
     'tools/test.py c.py w.pth --launcher slurm --eval mIoU'),
])
def test_slurm_starts_a_process_a_gpu(tmp_path, script, arguments, started):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    done = subprocess.run(
        ['bash', str(ROOT / 'tools' / script), 'queue', 'job', *arguments], capture_output=True,
        text=True, env={**os.environ, 'GPUS': '16', 'SRUN_ARGS': '--qos=high --time=9',
                        'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'})
    assert done.returncode == 0, done.stderr
    assert started in done.stdout
    for flag in ('--partition=queue', '--job-name=job', '--gres=gpu:8', '--ntasks=16',
                 '--ntasks-per-node=8', '--qos=high', '--time=9'):
        assert flag in done.stdout.split()
