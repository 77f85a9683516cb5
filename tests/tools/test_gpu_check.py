"""tools/gpu_check.sh: what fails or hangs costs its own row alone."""

import json
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import gpu_check
import pytest

from mmseg_maskclip.utils import InputError

from gpu_checks import child, session
from gpu_checks.packages import Missing, missing_packages
from gpu_checks.parts import PARTS, Part
from gpu_checks.runner import Runner
from helpers.tools import ROOT, assert_bad_input, run_tool

ENVIRONMENT = {'gpu': 'Card 1', 'driver': '550.1', 'cuda': '13.0', 'cores': 16,
               'versions': {'torch': '2.14.1'}}
ROW = {'what': 'step', 'ours_s': 1.0, 'reference_s': 2.0, 'reference': 'plain', 'ratio': 0.5,
       'goal': 0.95, 'met': True}
# What a part does, as a program: its last argument is the file of its rows.
WRITE = 'import json, sys; open(sys.argv[-1], "a").write(json.dumps({}) + "\\n");'
PROGRAMS = {
    'environment': WRITE.format(ENVIRONMENT),
    'good': WRITE.format(ROW),
    'bad': WRITE.format({**ROW, 'what': 'before it fails'}) + 'raise ValueError("broken")',
    'hangs': WRITE.format({**ROW, 'what': 'before it hangs', 'equal_labels': 0.9991})
    + 'import subprocess, time;'
      'other = subprocess.Popen(["sleep", "60"]); print("other", other.pid, flush=True);'
      'time.sleep(60)',
    'killed': 'import os; os.kill(os.getpid(), 9)',
    'after': WRITE.format({'what': 'after', 'found': 'one card'})}
FAKES = tuple(Part(name, f'title of {name}', 0.7 if name == 'hangs' else 20)
              for name in PROGRAMS if name != 'environment')


@pytest.fixture
def fakes(monkeypatch):
    """Parts that take no time."""
    monkeypatch.setattr(session, 'PARTS', FAKES)
    monkeypatch.setattr(session, '_command',
                        lambda part, dry_run: [sys.executable, '-S', '-c', PROGRAMS[part.name]])
    monkeypatch.setattr(session.signal, 'signal', lambda *args: None)


def _args(out=None, parts=FAKES, **others):
    return SimpleNamespace(**{'out': out, 'parts': [part.name for part in parts],
                              'dry_run': False, 'seconds': 60.0, **others})


def _alive(pid):
    """Whether a process goes on; one that is killed takes a moment to end."""
    for _ in range(100):
        try:
            if Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z':
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        subprocess.run(['sleep', '0.05'])
    return True


@pytest.fixture(autouse=True)
def log_level():
    """A part is quiet in a process of its own, and here it is in that of the tests."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize('dry_run', [False, True])
def test_a_part_that_fails_or_hangs_loses_its_own_row(dry_run, fakes, tmp_path, capsys):
    started = time.monotonic()
    assert session.run_session(_args(tmp_path / 'new/gpu.json', dry_run=dry_run)) == 1
    assert time.monotonic() - started < 20
    content = json.loads((tmp_path / 'new/gpu.json').read_text())
    assert content['complete'] and content['environment'] == ENVIRONMENT
    found = {part['name']: part for part in content['parts']}
    assert {name: part['status'] for name, part in found.items()} == {
        'good': 'done', 'bad': 'failed', 'hangs': 'timed out', 'killed': 'failed', 'after': 'done'}
    assert found['good']['rows'] == [ROW] and not found['good']['log']
    assert [len(part['rows']) for part in map(found.get, PROGRAMS) if part] == [1, 1, 1, 0, 1]
    assert found['bad']['reason'] == 'ValueError: broken' and 'Traceback' in found['bad']['log']
    assert found['killed']['reason'] == 'ended by SIGKILL'
    # What it had started is gone with it.
    assert not _alive(found['hangs']['log'].split()[1])
    printed = capsys.readouterr().out
    table = (tmp_path / 'new/gpu.md').read_text()
    assert printed.endswith(f'{table}\n') and ('Dry run' in table) == dry_run
    assert '| step | 1.000 s | plain | 2.000 s | 0.50 | <= 0.95 |  |' in table
    assert '| before it hangs | 1.000 s | plain | 2.000 s | 0.50 | <= 0.95 | 99.91 % |' in table
    # In their order, whichever ended first.
    lines = [line.split(' | ')[0] for line in table.splitlines() if line.startswith('| ')]
    assert lines[2:] == ['| step', '| before it fails', '| title of bad', '| before it hangs',
                         '| title of hangs', '| title of killed', '| after']
    assert '| title of hangs | timed out: stopped after 1 s |' in table


def test_an_interrupt_loses_what_is_running(fakes, monkeypatch, tmp_path):
    """Results are written after each part, and no process stays behind."""
    out, pids, wait = tmp_path / 'gpu.json', [], Runner._wait
    sleep = time.sleep

    def interrupted(self, command, log, limit):
        def interrupt(seconds):
            words = log.read_text().split()
            if words[:1] == ['other'] and len(words) > 1 and not pids:
                pids.append(words[1])
                raise KeyboardInterrupt
            sleep(seconds)

        with monkeypatch.context() as patch:
            patch.setattr('time.sleep', interrupt)
            return wait(self, command, log, limit)

    monkeypatch.setattr(Runner, '_wait', interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.run_session(_args(out))
    content = json.loads(out.read_text())
    assert [part['name'] for part in content['parts']] == ['good', 'bad']
    assert not content['complete'] and not _alive(pids[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['gpu.json', 'gpu.md']


def test_no_part_starts_at_the_deadline(tmp_path):
    """The last one that does is stopped there, whatever its own limit is."""
    told = []
    runner = Runner(lambda part: [sys.executable, '-S', '-c', 'import time; time.sleep(60)'],
                    os.environ, 1.0, tmp_path, least=0.3)
    runner.run_all([Part('long', 'long', 50), Part('late', 'late', 50)], told.append)
    assert [one.status for one in told] == ['timed out', 'left out']
    assert told[0].seconds < 3 and told[1].reason == 'the 1 s of all parts were over'
    assert told[1].seconds == 0


def test_a_part_without_its_package_is_left_out(fakes, monkeypatch, capsys):
    parts = (Part('good', 'title of good', 20), Part('after', 'title', 20, ('pytest',)))
    monkeypatch.setattr(session, 'PARTS', parts)
    monkeypatch.setattr(session, 'missing_packages', lambda: Missing([], {'pytest': 'pytest'}))
    assert session.run_session(_args(parts=parts)) == 1
    assert 'after: left out: needs pytest, which is not installed' in capsys.readouterr().out


def test_an_interrupt_of_two_at_a_time_tells_of_neither(tmp_path):
    told = []
    runner = Runner(lambda part: [sys.executable, '-S', '-c', 'import time; time.sleep(60)'],
                    os.environ, 60.0, tmp_path)
    pool_map, started = ThreadPoolExecutor.map, time.monotonic()

    def interrupted(self, *args):
        pool_map(self, *args)
        time.sleep(0.3)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ThreadPoolExecutor, 'map', interrupted)
        runner.run_all([Part('a', 'a', 50), Part('b', 'b', 50)], told.append, 2)
    assert not told and time.monotonic() - started < 20


@pytest.mark.parametrize('flags, said', [
    (['--seconds', '5'], '--seconds is 5, expected at least 15'),
    (['--out', 'folder.json'], 'folder.json is a folder, expected a file')])
def test_wrong_flags_are_told_before_anything_runs(flags, said, tmp_path):
    (tmp_path / 'folder.json').mkdir()
    done = run_tool(ROOT / 'tools/gpu_check.sh', '--parts', 'tests', *flags, cwd=tmp_path,
                    env={'PYTHON': sys.executable})
    assert_bad_input(done, said)


def test_without_a_gpu_it_says_how_to_go_on(fakes, monkeypatch):
    program = WRITE.format({**ENVIRONMENT, 'gpu': None})
    monkeypatch.setitem(PROGRAMS, 'environment', program)
    with pytest.raises(InputError, match=r'torch 2\.14\.1 .* finds no GPU here: --dry-run'):
        session.run_session(_args())
    monkeypatch.setitem(PROGRAMS, 'environment', 'raise ImportError("no torchvision::nms")')
    with pytest.raises(InputError, match=r'no torchvision::nms\): run bash env_install'):
        session.run_session(_args())


def test_a_python_without_packages_is_told_which(tmp_path):
    """By a Python that does not look for any."""
    bare = tmp_path / 'bare'
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    done = run_tool('tools/gpu_check.sh', env={'PYTHON': str(bare), 'PYTHONPATH': ''})
    assert_bad_input(done, 'this Python lacks torch, torchvision, mmcv==1.7.2', 'PYTHON')
    assert 'pytest (optional)' in done.stdout
    done = run_tool('tools/gpu_check.sh', env={'PYTHON': 'nowhere/python'})
    assert_bad_input(done, 'PYTHON is nowhere/python')
    assert missing_packages().reason() == ''


@pytest.mark.parametrize('version, said', [
    ('2.5.1+cu121', 'torch is 2.5.1+cu121, expected 2.6 or newer'), ('2.6.0', ''), ('2.14.1', '')])
def test_an_old_torch_is_refused(version, said, monkeypatch):
    monkeypatch.setattr('gpu_checks.packages.metadata.version', lambda name: version)
    found = gpu_check.require_torch()
    assert found.startswith(said) and bool(found) == bool(said)


def test_within_a_part_rows_fail_alone(monkeypatch, tmp_path, capsys):
    def fails():
        raise RuntimeError('CUDA error\nmore of it')

    monkeypatch.setattr(child, 'measures_of', lambda name, dry_run, folder: iter(
        [('first', lambda: [ROW]), ('second', fails), ('third', lambda: [ROW])]))
    assert child.run_here('x', True, tmp_path / 'rows') == 1
    rows = [json.loads(line) for line in (tmp_path / 'rows').read_text().splitlines()]
    assert rows == [ROW, {'what': 'second', 'failed': 'RuntimeError: CUDA error'}, ROW]
    assert child.run_here('x', True, None) == 1
    assert 'second: failed: RuntimeError: CUDA error' in capsys.readouterr().out


def test_marked_tests_are_counted_and_named(tmp_path):
    path = tmp_path / 'test_marked.py'
    path.write_text("""
import pytest

@pytest.mark.gpu
def test_right(): pass

@pytest.mark.gpu
def test_wrong(): assert False

@pytest.fixture
def ends_badly():
    yield
    raise ValueError

@pytest.mark.gpu
def test_ends_badly(ends_badly): pass

def test_other(): assert False
""")
    done = subprocess.run([sys.executable, '-c', (
        'import json, sys; sys.path.insert(0, "tools"); from gpu_checks.tests import run_tests;'
        f'print(json.dumps(run_tests([{str(path)!r}], False)))')],
        cwd=ROOT, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    assert row['found'] == '1 passed, 2 failed' and row['collected'] == 3
    assert [name.partition('::')[2] for name in row['failed_tests']] == ['test_wrong',
                                                                         'test_ends_badly']
    assert 'test_wrong' in row['failed']


@pytest.mark.slow
def test_every_part_runs_at_toy_size(tmp_path):
    done = run_tool('tools/gpu_check.sh', '--dry-run', '--out', tmp_path / 'gpu.json', fresh=True,
                    env={'PYTHON': sys.executable}, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / 'gpu.json').read_text())
    parts = {part['name']: part for part in content['parts']}
    assert set(parts) == {part.name for part in PARTS} and content['complete']
    assert all(part['status'] == 'done' and part['rows'] for part in parts.values())
    assert content['environment']['gpu'] is None
    assert parts['tests']['rows'][0]['collected'] >= 19
    for amp in ('fp32', 'bf16', 'fp16'):
        step, published, memory, _ = parts[f'step-{amp}']['rows']
        assert f'64 x 64, {amp}, teacher in ' in step['what'] and step['goal'] == 0.95
        assert step['equal_labels'] >= 0.999
        assert published['reference_s'] == 0.83 and memory['ours_mb'] > 1
    labels = [row for name in ('labels-vit-b16', 'labels-vit-l14', 'labels-rn50x16')
              for row in parts[name]['rows']]
    assert len(labels) == 9 and all(('equal_labels' in row) != row['what'].endswith('fp32')
                                    for row in labels)
    assert all(row['equal_labels'] > 0.99 for row in parts['labels-trained']['rows'])
    assert len(parts['readouts']['rows']) == 26 and len(parts['zegclip-voc']['rows']) == 3
    assert parts['processes']['rows'][0]['steps'] == 2
    assert {path.name for path in tmp_path.iterdir()} == {'gpu.json', 'gpu.md'}
