"""The embedded world's two tools."""

from __future__ import annotations

import functools
import json

from mmseg_maskclip.tinyworld.pretraining import records

from helpers.cases import cases
from helpers.tools import assert_bad_input, run_tool

WORLD = 'tools/dataset_converters/tinyworld.py'
PRETRAIN = 'tools/maskclip_utils/pretrain_tiny_clip.py'


def test_world_is_written_and_not_twice(call_tool, tmp_path):
    first = call_tool(WORLD, tmp_path / 'world', '--train', 2, '--val', 1)
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / 'world' / 'JPEGImages').glob('*.jpg'))) == 3
    again = call_tool(WORLD, tmp_path / 'world', '--train', 2, '--val', 1)
    assert again.returncode == 0 and 'already there' in again.stdout
    other = call_tool(WORLD, tmp_path / 'world', '--train', 3, '--val', 1)
    assert_bad_input(other, 'another world')


def test_world_defaults_to_the_data_folder(tmp_path):
    done = run_tool(WORLD, '--train', 1, '--val', 0, cwd=tmp_path, fresh=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'data' / 'tinyworld' / 'tinyworld.json').is_file()


def test_world_of_nothing_is_an_error(call_tool, tmp_path):
    done = call_tool(WORLD, tmp_path / 'world', '--train', 0, '--val', 0)
    assert_bad_input(done, '0 scenes')
    assert not (tmp_path / 'world').exists()


def test_pretraining_writes_weights_and_record(tmp_path, monkeypatch):
    monkeypatch.setattr(records, 'retrieval', functools.partial(records.retrieval, count=10))
    out = tmp_path / 'tiny.pth'
    done = run_tool(PRETRAIN, '--model', 'TinyRN', '--steps', 2, '--batch', 4, '--seed', 3,
                    '--workers', 0, '--out', out)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {'tiny.pth', 'tiny.json'}
    record = json.loads((tmp_path / 'tiny.json').read_text())
    assert record['recipe']['steps'] == 2 and record['recipe']['seed'] == 3
    assert 'retrieval' in done.stdout


def test_pretraining_refuses_no_steps(call_tool, tmp_path):
    done = call_tool(PRETRAIN, '--model', 'TinyRN', '--steps', 0, '--out',
                     tmp_path / 'new' / 'a.pth')
    assert_bad_input(done, '0 steps')
    assert not list(tmp_path.iterdir())


def test_pretraining_needs_a_writable_folder(call_tool, tmp_path):
    """Nobody makes files in /proc, root included, or below a file."""
    (tmp_path / 'file').write_text('mine')
    for out in ('/proc/tiny.pth', tmp_path / 'file' / 'a.pth'):
        done = call_tool(PRETRAIN, '--model', 'TinyRN', '--steps', 1, '--out', out)
        assert_bad_input(done, 'cannot be written')


def test_an_unknown_model_is_named(call_tool):
    done = call_tool(PRETRAIN, '--model', 'TinyCNN')
    assert done.returncode == 2 and 'TinyRN' in done.stderr


@cases('tool', [WORLD, PRETRAIN])
def test_help_is_instant(tool):
    done = run_tool(tool, '--help', fresh=True)
    assert done.returncode == 0 and '--seed' in done.stdout
