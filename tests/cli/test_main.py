"""The maskclip command: the same as the tools, from any folder."""

import shutil
import subprocess
import sys

import pytest

from mmseg_maskclip.cli.main import COMMANDS, main

from helpers.cases import cases
from helpers.tools import ROOT


def _run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(words)
    return stop.value.code or 0, capsys.readouterr()


def test_every_command_has_help_and_no_heavy_imports():
    """--help answers before torch is imported."""
    code = ('import sys\nfrom mmseg_maskclip.cli.main import main\n'
            'try:\n    main([sys.argv[1], "--help"])\nexcept SystemExit as stop:\n'
            '    assert not stop.code and "torch" not in sys.modules, sys.argv')
    for name in COMMANDS:
        done = subprocess.run([sys.executable, '-c', code, name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f'usage: maskclip {name}' in done.stdout


@cases('words, code, said', [
    (['--help'], 0, 'usage: maskclip COMMAND'), (['--version'], 0, 'mmseg_maskclip '),
    ([], 2, 'a command is missing'), (['tset'], 2, "Did you mean 'test'?"),
    (['test', 'no.py', 'no.pth', '--eval', 'mIoU'], 2, 'error: config no.py does not exist'),
    (['test', 'no.py', 'no.pth'], 2, 'nothing to do'), (['train'], 2, 'config')])
def test_how_it_ends(words, code, said, capsys):
    found, streams = _run(capsys, *words)
    assert found == code and said in streams.out + streams.err


def test_configs_and_shipped_weights_are_found_from_any_folder(tiny_world, tmp_path):
    """Named below configs/, with a CLIP model in place of a file."""
    done = subprocess.run(
        [shutil.which('maskclip', path=str(ROOT / '.venv/bin')) or 'maskclip', 'test',
         'tiny/maskclip_tinyrn_256x256_tinyworld.py', 'TinyRN', '--eval', 'mIoU',
         '--cfg-options', f'data.test.data_root={tiny_world}'],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / 'work_dirs/maskclip_tinyrn_256x256_tinyworld').glob('eval_*.json'))
