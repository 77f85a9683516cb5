"""The CLIP tools as a user runs them."""

import functools
import os
import subprocess
from dataclasses import replace

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

from helpers.cases import cases
from helpers.file_server import serve
from helpers.tiny_clip import make_tiny_clip, save_as, spec_of
from helpers.tools import ROOT, assert_bad_input, call_tool, run_tool

CONVERT = 'tools/maskclip_utils/convert_clip_weights.py'
PROMPTS = 'tools/maskclip_utils/prompt_engineering.py'
FEATURES = 'tools/maskclip_utils/generate_text_features.py'
DOWNLOAD = 'tools/maskclip_utils/download_weights.py'


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Runs a tool in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(call_tool, capfd)


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """A random model of TinyRN's sizes and its TorchScript archive."""
    model = make_tiny_clip('resnet', width=16, image_size=128, embed_dim=128,
                           text={'width': 128, 'heads': 4, 'layers': 2, 'context_length': 32})
    return model, save_as(model, tmp_path_factory.mktemp('clip') / 'clip.pt', 'openai')


def test_convert_writes_both_files_under_the_published_names(run, tiny, tmp_path):
    model, path = tiny
    for flags, name in (([], 'weights'), (['--backbone'], 'backbone')):
        done = run(CONVERT, '--model', 'TinyRN', '--checkpoint', path, *flags)
        assert done.returncode == 0, done.stderr
        file = tmp_path / 'pretrain' / f'TinyRN_clip_{name}.pth'
        assert str(file.relative_to(tmp_path)) in done.stdout
    found = torch.load(file, weights_only=True)['state_dict']
    expected = openai_to_backbone(model.visual.state_dict(), 'resnet')
    assert found.keys() == {f'backbone.{key}' for key in expected}
    assert all(torch.equal(found[f'backbone.{key}'], expected[key]) for key in expected)


def test_prompt_engineering_writes_a_bank_of_several_sets(run, tiny, tmp_path):
    _, path = tiny
    (tmp_path / 'mine.txt').write_text('cat\nunicorn; horned horse\n')
    done = run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, '--class-set', 'voc',
               'mine.txt', '--templates', 'cifar18', '--out', 'banks')
    assert done.returncode == 0, done.stderr
    bank = TextBank.load(tmp_path / 'banks' / 'voc_mine_TinyRN_cifar18_clip_text.pth')
    assert bank.class_names == (*load_vocabulary('voc').class_names, 'unicorn')
    assert bank.check(width=128, clip='TinyRN').templates == 'cifar18'


@pytest.mark.parametrize('args, name', [
    (['--class-set', 'mickey', '--no-prompt-eng'], 'mickey_TinyRN_npe_clip_text.pth'),
    (['--class-set', 'blur'], 'blur_TinyRN_clip_text.pth')])
def test_the_single_template_on_request_and_for_blur(run, tiny, tmp_path, args, name):
    _, path = tiny
    done = run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, *args)
    assert done.returncode == 0, done.stderr
    assert TextBank.load(tmp_path / 'pretrain' / name).templates == 'single'


def test_synonyms_kept_apart_have_a_name_of_their_own(run, tiny, tmp_path):
    _, path = tiny
    (tmp_path / 'mine.txt').write_text('cat; kitten\ndog\n')
    done = run(PROMPTS, '--model', 'TinyRN', '--checkpoint', path, '--class-set', 'mine.txt',
               '--no-prompt-eng', '--synonyms', 'separate', '--device', 'cpu')
    assert done.returncode == 0, done.stderr
    bank = TextBank.load(tmp_path / 'pretrain' / 'mine_TinyRN_npe_synonyms_clip_text.pth')
    assert bank.row_class.tolist() == [0, 0, 1]


@cases('tool, args, phrase', [
    (CONVERT, ['--model', 'RN51'], "unknown CLIP model 'RN51'"),
    (CONVERT, ['--model', 'ViT16'], 'bash download_weights.sh ViT-B/16'),
    (CONVERT, ['--model', 'RN50', '--checkpoint', 'none.pt'], 'none.pt does not exist'),
    (CONVERT, ['--model', 'RN50', '--checkpoint', 'clip.pt'], 'expected RN50'),
    (CONVERT, ['--model', 'TinyRN', '--checkpoint', 'clip.pt', '--out', 'clip.pt'],
     'cannot be written'),
    (PROMPTS, ['--model', 'RN50'], 'bash download_weights.sh RN50'),
    (PROMPTS, ['--class-set', 'vocs'], "unknown class set 'vocs'"),
    (PROMPTS, ['--class-set', 'gaps.txt'], 'line 2 of class list gaps.txt is blank'),
    (PROMPTS, ['--templates', 'imagenet'], "unknown template set 'imagenet'"),
    (PROMPTS, ['--device', 'abacus'], "device 'abacus'"),
    (PROMPTS, ['--model', 'TinyRN', '--checkpoint', 'clip.pt', '--batch-size', '0'],
     'batch_size is 0')])
def test_bad_input_is_one_sentence_and_leaves_nothing(run, tiny, tmp_path, monkeypatch, tool, args,
                                                      phrase):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'clip.pt').write_bytes(tiny[1].read_bytes())
    (tmp_path / 'gaps.txt').write_text('cat\n\ndog\n')
    before = sorted(tmp_path.rglob('*'))
    assert_bad_input(run(tool, *args), phrase)
    assert sorted(tmp_path.rglob('*')) == before


@cases('tool', [CONVERT, PROMPTS, FEATURES, 'download_weights.sh'])
def test_help_answers_at_once(tool, tmp_path):
    done = run_tool(tool, '--help', cwd=tmp_path, fresh=True)
    assert done.returncode == 0
    assert 'usage' in done.stdout


def test_download_weights_reports_each_failure(run, tmp_path, monkeypatch):
    spec = get_spec('RN50')
    with serve() as server:
        monkeypatch.setenv('MASKCLIP_BASE_URL', server.url)
        assert_bad_input(run(DOWNLOAD, 'RN50', 'RN51'), "unknown CLIP model 'RN51'")
        assert server.requests == []
        assert_bad_input(run(DOWNLOAD, 'RN50'), '404')
        server.files[f'/{spec.sha256}/RN50.pt'] = b'something else' * 1000
        assert_bad_input(run(DOWNLOAD, 'RN50'), 'damaged')
        server.break_after = 100
        assert_bad_input(run(DOWNLOAD, 'RN50'), '300 of 14000 bytes')
    assert [path.name for path in (tmp_path / 'pretrain').iterdir()] == ['RN50.pt.part']


def test_the_shell_script_passes_on_question_and_answer(tmp_path):
    """To whatever python is active."""
    python = tmp_path / 'bin/python'
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 2\n')
    python.chmod(0o755)
    done = subprocess.run(
        ['bash', str(ROOT / 'download_weights.sh'), 'ViT-B/16', '--out', 'a b'], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, 'VIRTUAL_ENV': str(tmp_path),
                                             'PATH': f'{python.parent}{os.pathsep}/usr/bin:/bin'})
    assert done.returncode == 2
    assert done.stdout.splitlines() == [str(ROOT / DOWNLOAD), 'ViT-B/16', '--out', 'a b']


def test_unreachable_address_is_told(run, monkeypatch):
    monkeypatch.setenv('MASKCLIP_BASE_URL', 'http://127.0.0.1:9')
    assert_bad_input(run(DOWNLOAD, 'ViT-B/16'), 'cannot reach 127.0.0.1:9',
                     'bash download_weights.sh ViT-B/16')


def test_download_weights_downloads_converts_and_builds_banks(run, tmp_path, monkeypatch):
    """The published digests can't be served, so a tiny model stands in for RN50."""
    model = make_tiny_clip('resnet')
    source = save_as(model, tmp_path / 'source.pt', 'openai')
    spec = replace(spec_of(model), name='RN50', short_name='RN50', filename='RN50.pt',
                   url='http://nowhere', sha256=sha256_of(source))
    out = tmp_path / 'pretrain'
    monkeypatch.setattr('mmseg_maskclip.clip.get_spec', lambda name: spec)
    args = ['RN50', '--out', out, '--class-set', 'voc', 'mickey', '--device', 'cpu']
    with serve() as server:
        server.files[f'/{spec.sha256}/RN50.pt'] = source.read_bytes()
        monkeypatch.setenv('MASKCLIP_BASE_URL', server.url)
        assert run(DOWNLOAD, *args).returncode == 0
        files = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
        assert 'all files are there' in run(DOWNLOAD, *args).stdout
        assert len(server.requests) == 1
    assert sorted(files) == ['RN50.pt', 'RN50_clip_backbone.pth', 'RN50_clip_weights.pth',
                             'mickey_RN50_clip_text.pth', 'voc_RN50_clip_text.pth']
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == files
    read_clip_checkpoint(out / 'RN50_clip_backbone.pth').check(spec)
    bank = TextBank.load(out / 'voc_RN50_clip_text.pth')
    assert bank.check(load_vocabulary('voc').class_names, 32, 'RN50').templates == 'imagenet85'


def test_download_weights_builds_the_class_weights_texts(run, tmp_path, monkeypatch):
    """For the model that reads whole images there are rows that are no unit vectors, too."""
    model = make_tiny_clip('vit')
    source = save_as(model, tmp_path / 'source.pt', 'openai')
    spec = replace(spec_of(model), name='ViT-B/16', short_name='ViT16', filename='ViT-B-16.pt',
                   url='http://nowhere', sha256=sha256_of(source))
    out = tmp_path / 'pretrain'
    monkeypatch.setattr('mmseg_maskclip.clip.get_spec', lambda name: spec)
    with serve() as server:
        server.files[f'/{spec.sha256}/ViT-B-16.pt'] = source.read_bytes()
        monkeypatch.setenv('MASKCLIP_BASE_URL', server.url)
        done = run(DOWNLOAD, 'ViT-B/16', '--out', out, '--class-set', 'mickey', '--device', 'cpu')
    assert done.returncode == 0, done.stderr
    bank = TextBank.load(out / 'mickey_ViT16_clip_text.pth')
    features = TextBank.load(out / 'mickey_ViT16_clip_text_features.pth')
    assert bank.normalized and not features.normalized
    assert (features.embeddings.norm(dim=1) < 0.999).all()
    torch.testing.assert_close(features.unit().embeddings, bank.embeddings)


def test_text_features_are_means_that_were_not_renormalised(run, tiny, tmp_path):
    _, path = tiny
    flags = ['--model', 'TinyRN', '--checkpoint', path, '--class-set', 'mickey']
    for extra, name in (([], ''), (['--no-prompt-eng'], '_npe')):
        done = run(FEATURES, *flags, *extra)
        assert done.returncode == 0, done.stderr
        file = f'pretrain/mickey_TinyRN{name}_clip_text_features.pth'
        assert f'wrote {file}: 7 x 128' in done.stdout
        bank = TextBank.load(tmp_path / file)
        assert bank.class_names == load_vocabulary('mickey').class_names and not bank.normalized
    # A single prompt's mean is that prompt: unit length by itself.
    torch.testing.assert_close(bank.embeddings.norm(dim=1), torch.ones(7))
    assert_bad_input(run(FEATURES, '--model', 'ViT16'),
                     'bash download_weights.sh ViT-B/16')
