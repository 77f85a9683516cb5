"""The CLIP tools as a user runs them."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmseg_maskclip.clip import (
    TextBank,
    get_spec,
    load_vocabulary,
    openai_to_backbone,
    read_clip_checkpoint,
)
from mmseg_maskclip.utils import sha256_of

from helpers.file_server import serve
from helpers.tiny_clip import make_tiny_clip, save_as, spec_of

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools' / 'maskclip_utils'
CONVERT, PROMPTS = TOOLS / 'convert_clip_weights.py', TOOLS / 'prompt_engineering.py'


def _run(tool, *args, cwd, **env):
    command = ['bash', str(tool)] if tool.suffix == '.sh' else [sys.executable, str(tool)]
    return subprocess.run(
        [*command, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT), **env})


def _refused(result):
    """The one sentence of a tool that ended well on bad input."""
    assert result.returncode == 2, result.stderr
    assert 'Traceback' not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    return line


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """A random model of TinyRN's sizes and its TorchScript archive."""
    model = make_tiny_clip('resnet', width=16, image_size=128, embed_dim=128,
                           text={'width': 128, 'heads': 4, 'layers': 2, 'context_length': 32})
    return model, save_as(model, tmp_path_factory.mktemp('clip') / 'clip.pt', 'openai')


def test_convert_writes_both_files_under_the_published_names(tiny, tmp_path):
    model, path = tiny
    for flags, name in (([], 'weights'), (['--backbone'], 'backbone')):
        result = _run(CONVERT, '--model', 'TinyRN', '--checkpoint', path, *flags, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        file = tmp_path / 'pretrain' / f'TinyRN_clip_{name}.pth'
        assert str(file.relative_to(tmp_path)) in result.stdout
    found = torch.load(file, weights_only=True)['state_dict']
    expected = openai_to_backbone(model.visual.state_dict(), 'resnet')
    assert found.keys() == {f'backbone.{key}' for key in expected}
    assert all(torch.equal(found[f'backbone.{key}'], expected[key]) for key in expected)


def test_prompt_engineering_writes_a_bank_of_several_sets(tiny, tmp_path):
    _, path = tiny
    (tmp_path / 'mine.txt').write_text('cat\nunicorn; horned horse\n')
    result = _run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, '--class-set', 'voc',
                  'mine.txt', '--templates', 'cifar18', '--out', 'banks', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    bank = TextBank.load(tmp_path / 'banks' / 'voc_mine_TinyRN_cifar18_clip_text.pth')
    assert bank.class_names == (*load_vocabulary('voc').class_names, 'unicorn')
    assert bank.check(width=128, clip='TinyRN').templates == 'cifar18'


@pytest.mark.parametrize('args, name', [
    (['--class-set', 'mickey', '--no-prompt-eng'], 'mickey_TinyRN_npe_clip_text.pth'),
    (['--class-set', 'blur'], 'blur_TinyRN_clip_text.pth')])
def test_the_single_template_on_request_and_for_blur(tiny, tmp_path, args, name):
    _, path = tiny
    result = _run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, *args, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert TextBank.load(tmp_path / 'pretrain' / name).templates == 'single'


def test_synonyms_kept_apart_have_a_name_of_their_own(tiny, tmp_path):
    _, path = tiny
    (tmp_path / 'mine.txt').write_text('cat; kitten\ndog\n')
    result = _run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, '--class-set', 'mine.txt',
                  '--no-prompt-eng', '--synonyms', 'separate', '--device', 'cpu', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    bank = TextBank.load(tmp_path / 'pretrain' / 'mine_TinyRN_npe_synonyms_clip_text.pth')
    assert bank.row_class.tolist() == [0, 0, 1]


@pytest.mark.parametrize('tool, args, phrase', [
    (CONVERT, ['--model', 'RN51'], "unknown CLIP model 'RN51'"),
    (CONVERT, ['--model', 'ViT16'], 'bash download_weights.sh ViT-B/16'),
    (CONVERT, ['--model', 'RN50', '--checkpoint', 'none.pt'], 'none.pt does not exist'),
    (CONVERT, ['--model', 'RN50', '--checkpoint', 'clip.pt'], 'RN50 was expected'),
    (CONVERT, ['--model', 'TinyRN', '--checkpoint', 'clip.pt', '--out', 'clip.pt'],
     'can not be written'),
    (PROMPTS, ['--model', 'RN50'], 'bash download_weights.sh RN50'),
    (PROMPTS, ['--class-set', 'vocs'], "unknown class set 'vocs'"),
    (PROMPTS, ['--class-set', 'gaps.txt'], 'line 2 of class list gaps.txt is blank'),
    (PROMPTS, ['--templates', 'imagenet'], "unknown template set 'imagenet'"),
    (PROMPTS, ['--device', 'abacus'], "device 'abacus'"),
    (PROMPTS, ['--model', 'TinyRN', '--checkpoint', 'clip.pt', '--batch-size', '0'],
     'batch_size is 0')])
def test_bad_input_is_one_sentence_and_leaves_nothing(tiny, tmp_path, tool, args, phrase):
    (tmp_path / 'clip.pt').write_bytes(tiny[1].read_bytes())
    (tmp_path / 'gaps.txt').write_text('cat\n\ndog\n')
    before = sorted(tmp_path.rglob('*'))
    assert phrase in _refused(_run(tool, *args, cwd=tmp_path))
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('tool', [CONVERT, PROMPTS, ROOT / 'download_weights.sh'])
def test_help_answers_at_once(tool, tmp_path):
    result = _run(tool, '--help', cwd=tmp_path)
    assert result.returncode == 0
    assert 'usage' in result.stdout


def test_download_weights_reports_each_failure(tmp_path):
    script, spec = ROOT / 'download_weights.sh', get_spec('RN50')
    with serve() as server:
        mirror = {'MASKCLIP_BASE_URL': server.url}
        result = _run(script, 'RN51', cwd=tmp_path, **mirror)
        assert "unknown CLIP model 'RN51'" in _refused(result)
        assert server.requests == []
        assert '404' in _refused(_run(script, 'RN50', cwd=tmp_path, **mirror))
        server.files[f'/{spec.sha256}/RN50.pt'] = b'something else' * 1000
        assert 'damaged' in _refused(_run(script, 'RN50', cwd=tmp_path, **mirror))
        server.break_after = 100
        assert '300 of 14000 bytes' in _refused(_run(script, 'RN50', cwd=tmp_path, **mirror))
    assert 'can not reach 127.0.0.1' in _refused(_run(script, 'RN50', cwd=tmp_path, **mirror))
    assert [path.name for path in (tmp_path / 'pretrain').iterdir()] == ['RN50.pt.part']


def _download_tool():
    place = importlib.util.spec_from_file_location('download_tool', TOOLS / 'download_weights.py')
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    return tool


def test_download_weights_downloads_converts_and_builds_banks(tmp_path, monkeypatch, capsys):
    """The published digests can't be served, so a tiny model stands in for RN50."""
    model = make_tiny_clip('resnet')
    source = save_as(model, tmp_path / 'source.pt', 'openai')
    spec = replace(spec_of(model), name='RN50', short_name='RN50', filename='RN50.pt',
                   url='http://nowhere', sha256=sha256_of(source))
    out = tmp_path / 'pretrain'
    monkeypatch.setattr('mmseg_maskclip.clip.get_spec', lambda name: spec)
    monkeypatch.setattr(sys, 'argv', ['download_weights.sh', 'RN50', '--out', str(out),
                                      '--class-set', 'voc', 'mickey', '--device', 'cpu'])
    tool = _download_tool()
    with serve() as server:
        server.files[f'/{spec.sha256}/RN50.pt'] = source.read_bytes()
        monkeypatch.setenv('MASKCLIP_BASE_URL', server.url)
        tool.main(tool.parse_args())
        files = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
        tool.main(tool.parse_args())
        assert len(server.requests) == 1
    assert sorted(files) == ['RN50.pt', 'RN50_clip_backbone.pth', 'RN50_clip_weights.pth',
                             'mickey_RN50_clip_text.pth', 'voc_RN50_clip_text.pth']
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == files
    assert 'all files are there' in capsys.readouterr().out
    read_clip_checkpoint(out / 'RN50_clip_backbone.pth').check(spec)
    bank = TextBank.load(out / 'voc_RN50_clip_text.pth')
    assert bank.check(load_vocabulary('voc').class_names, 32, 'RN50').templates == 'imagenet85'
