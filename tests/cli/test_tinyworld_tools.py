"""The embedded world's two tools, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORLD = 'tools/dataset_converters/tinyworld.py'
PRETRAIN = 'tools/maskclip_utils/pretrain_tiny_clip.py'


def run(tool: str, *args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    return subprocess.run([sys.executable, str(ROOT / tool), *map(str, args)], cwd=cwd,
                          capture_output=True, text=True, env=environment, timeout=300)


def error_of(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_world_is_written_and_not_twice(tmp_path):
    first = run(WORLD, tmp_path / 'world', '--train', 2, '--val', 1)
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / 'world' / 'JPEGImages').glob('*.jpg'))) == 3
    again = run(WORLD, tmp_path / 'world', '--train', 2, '--val', 1)
    assert again.returncode == 0 and 'already there' in again.stdout
    other = run(WORLD, tmp_path / 'world', '--train', 3, '--val', 1)
    assert 'another world' in error_of(other)


def test_world_defaults_to_the_data_folder(tmp_path):
    done = run(WORLD, '--train', 1, '--val', 0, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'data' / 'tinyworld' / 'tinyworld.json').is_file()


def test_world_of_nothing_is_an_error(tmp_path):
    done = run(WORLD, tmp_path / 'world', '--train', 0, '--val', 0)
    assert '0 scenes' in error_of(done)
    assert not (tmp_path / 'world').exists()


def test_pretraining_writes_weights_and_record(tmp_path):
    out = tmp_path / 'tiny.pth'
    done = run(PRETRAIN, '--model', 'TinyRN', '--steps', 2, '--batch', 4, '--seed', 3,
               '--workers', 0, '--out', out)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {'tiny.pth', 'tiny.json'}
    record = json.loads((tmp_path / 'tiny.json').read_text())
    assert record['recipe']['steps'] == 2 and record['recipe']['seed'] == 3
    assert 'retrieval' in done.stdout


def test_pretraining_refuses_no_steps(tmp_path):
    done = run(PRETRAIN, '--model', 'TinyRN', '--steps', 0, '--out', tmp_path / 'new' / 'a.pth')
    assert '0 steps' in error_of(done)
    assert not list(tmp_path.iterdir())


def test_pretraining_needs_a_writable_folder():
    """Nobody makes files in /proc, root included."""
    done = run(PRETRAIN, '--model', 'TinyRN', '--steps', 1, '--out', '/proc/tiny.pth')
    assert 'can not be written' in error_of(done)


def test_pretraining_refuses_a_file_as_folder(tmp_path):
    (tmp_path / 'file').write_text('mine')
    done = run(PRETRAIN, '--model', 'TinyRN', '--steps', 1, '--out', tmp_path / 'file' / 'a.pth')
    assert 'can not be written' in error_of(done)


def test_an_unknown_model_is_named(tmp_path):
    done = run(PRETRAIN, '--model', 'TinyCNN')
    assert done.returncode == 2 and 'TinyRN' in done.stderr


@pytest.mark.parametrize('tool', [WORLD, PRETRAIN])
def test_help_is_instant(tool):
    done = run(tool, '--help')
    assert done.returncode == 0 and '--seed' in done.stdout
