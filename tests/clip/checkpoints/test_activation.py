"""Which activation a file is run with, and why."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmseg_maskclip.clip import (
    activation_of,
    build_text_bank,
    cached_text_bank,
    get_spec,
    read_clip_checkpoint,
)
from mmseg_maskclip.clip.checkpoints import activation
from mmseg_maskclip.models.backbones import ClipViT
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import sha256_of

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip, save_as, spec_of


@pytest.fixture(scope='module')
def clip():
    """Weights that were trained with GELU."""
    return make_tiny_clip('vit', seed=4, quick_gelu=False)


@pytest.fixture
def quick(clip):
    """What its architecture's name would imply."""
    return replace(spec_of(clip), activation='quick_gelu')


_OPEN_CLIP = {'model_cfg': {'embed_dim': 32, 'vision_cfg': {}, 'text_cfg': {}}}
_HF = {'text_config': {'hidden_act': 'relu'}, 'vision_config': {'hidden_act': 'gelu'}}


def _with(clip, path, **more):
    torch.save({'state_dict': clip.state_dict(), **more}, path)
    return path


def _safetensors(clip, path, metadata):
    save_file(load_file(save_as(clip, path, 'safetensors')), path, metadata=metadata)
    return path


def _beside(clip, path, config, content):
    path.with_name(config).write_text(content if isinstance(content, str) else json.dumps(content))
    return save_as(clip, path, 'safetensors' if path.suffix == '.safetensors' else 'state_dict')


@cases('write, reason', [
    (lambda c, d: _with(c, d / 'x.pt', config={'model': {'quick_gelu': False}}), 'own metadata'),
    (lambda c, d: _with(c, d / 'x.pt', model_cfg=_OPEN_CLIP['model_cfg']), 'own metadata'),
    (lambda c, d: _with(c, d / 'x.pt', config=json.dumps(_HF)), 'own metadata'),
    (lambda c, d: _with(c, d / 'x.pt', meta={'clip': 'ViT-B-16:laion2b_s34b_b88k'}), 'is made of'),
    (lambda c, d: _safetensors(c, d / 'x.safetensors', {'quick_gelu': 'False'}), 'own metadata'),
    (lambda c, d: _safetensors(c, d / 'x.safetensors', {'config': json.dumps(_HF)}),
     'own metadata'),
    (lambda c, d: _beside(c, d / 'open_clip_model.safetensors', 'open_clip_config.json',
                          _OPEN_CLIP), 'by open_clip_config.json beside it'),
    (lambda c, d: _beside(c, d / 'model.safetensors', 'config.json', _HF),
     'by config.json beside it'),
    (lambda c, d: _beside(c, d / 'pytorch_model.bin', 'config.json', _HF), 'beside it')])
def test_what_the_file_says_goes_before_the_architecture(clip, quick, write, reason, tmp_path):
    found = activation_of(read_clip_checkpoint(write(clip, tmp_path)), quick)
    assert found.name == 'gelu'
    assert reason in found.reason


@cases('write', [
    lambda c, d: save_as(c, d / 'x.pt', 'openai'),
    lambda c, d: _with(c, d / 'x.pt', meta={'clip': 'tiny vit'}, config={'act': 'gelu'}),
    lambda c, d: _with(c, d / 'x.pt', model_cfg={'quick_gelu': True}),
    lambda c, d: _with(c, d / 'x.pt', optimizer={'state': {0: {'step': 1}}, 'hidden_act': None}),
    lambda c, d: _safetensors(c, d / 'x.safetensors', {'format': 'pt', 'note': '{no json'}),
    # A config that is another file's.
    lambda c, d: _beside(c, d / 'ViT-B-16.pt', 'config.json', _HF),
    lambda c, d: _beside(c, d / 'model.safetensors', 'config.json', 'not json'),
    lambda c, d: _beside(c, d / 'model.safetensors', 'config.json',
                         {'text_config': {'hidden_act': 'gelu'},
                          'vision_config': {'hidden_act': 'quick_gelu'}})])
def test_else_it_is_the_architecture_s(clip, quick, write, tmp_path):
    assert activation_of(read_clip_checkpoint(write(clip, tmp_path)), quick).name == 'quick_gelu'


def test_a_known_hash_tells(clip, quick, tmp_path, monkeypatch):
    path = save_as(clip, tmp_path / 'renamed.pt', 'state_dict')
    own = sha256_of(path)
    checkpoint = read_clip_checkpoint(path)
    monkeypatch.setattr(activation, '_published', lambda: {
        own[:8]: [(f'{own[:8]}0000', 'other', 'quick_gelu'), (own, 'ViT-X:tag', 'gelu')]})
    found = activation_of(checkpoint, quick)
    assert found == ('gelu', 'by its SHA-256, that of the file of ViT-X:tag')
    # The very file of the model: nothing is to be looked up.
    found = activation_of(checkpoint, replace(quick, sha256=own[:8]))
    assert found == ('quick_gelu', 'by its SHA-256, that of the file of tiny vit')


def test_the_published_hashes_are_known():
    known = {digits: name for found in activation._published().values()
             for digits, _, name in found}
    assert known[get_spec('ViT-B/16').sha256] == 'quick_gelu'
    # Of the same architecture: vit_b_16-laion400m_e32-55e67d44.pt.
    assert known[get_spec('ViT-B-16:laion400m_e32').sha256] == 'gelu'
    assert len(known) >= 20


def _lines(caplog):
    return [record for record in caplog.records if 'is assumed' in record.getMessage()]


@torch.no_grad()
def test_tower_and_prompts_run_with_it_and_one_line_says_so(clip, quick, tmp_path, caplog):
    logging.getLogger('mmseg').propagate = True
    sizes = dict(clip.tiny_sizes)
    plain = read_clip_checkpoint(save_as(clip, tmp_path / 'plain.pt', 'state_dict'))
    telling = read_clip_checkpoint(_with(clip, tmp_path / 'telling.pt', cfg={'quick_gelu': False}))
    expected = ClipViT(sizes, fidelity='clip')
    load_tower(expected, plain)
    tower = ClipViT({**sizes, 'activation': 'quick_gelu'}, fidelity='clip')
    image = torch.randn(1, 3, 64, 64)
    caplog.clear()
    load_tower(tower, plain)
    (line,) = _lines(caplog)
    assert line.levelname == 'INFO'
    assert 'plain.pt: QuickGELU is assumed, by the name of the architecture, tiny vit' in \
        line.getMessage()
    assert not torch.allclose(tower.encode_image(image), expected.encode_image(image), atol=1e-4)
    caplog.clear()
    load_tower(tower, telling)
    (line,) = _lines(caplog)
    assert line.levelname == 'WARNING'
    assert "telling.pt: GELU is assumed, by the file's own metadata; CLIP model tiny vit would " \
        'imply another.' in line.getMessage()
    torch.testing.assert_close(tower.encode_image(image), expected.encode_image(image))
    assert tower.spec.activation == 'gelu'
    banks = [build(telling, quick, ['cat'], progress=False).embeddings
             for build in (build_text_bank, cached_text_bank)]
    wanted = build_text_bank(plain, spec_of(clip), ['cat'], progress=False).embeddings
    other = build_text_bank(plain, quick, ['cat'], progress=False).embeddings
    assert torch.equal(banks[0], wanted) and torch.equal(banks[1], wanted)
    assert not torch.equal(wanted, other)


def test_a_cached_bank_is_that_of_the_activation(clip, quick, tmp_path):
    path = _beside(clip, tmp_path / 'model.safetensors', 'config.json', _HF)
    told = cached_text_bank(read_clip_checkpoint(path), quick, ['cat'], progress=False)
    (tmp_path / 'config.json').unlink()
    assumed = cached_text_bank(read_clip_checkpoint(path), quick, ['cat'], progress=False)
    assert not torch.equal(told.embeddings, assumed.embeddings)


@torch.no_grad()
def test_the_paper_s_tower_runs_gelu_whatever_the_file_says(clip, tmp_path, caplog):
    logging.getLogger('mmseg').propagate = True
    telling = read_clip_checkpoint(_with(clip, tmp_path / 'x.pt', cfg={'quick_gelu': True}))
    tower, other = (ClipViT(clip.tiny_sizes, fidelity=kind) for kind in ('paper', 'paper'))
    load_tower(other, read_clip_checkpoint(save_as(clip, tmp_path / 'y.pt', 'state_dict')))
    caplog.clear()
    load_tower(tower, telling)
    (line,) = _lines(caplog)
    assert "the image tower runs GELU, as fidelity='paper' repeats" in line.getMessage()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(tower.encode_image(image), other.encode_image(image))


def test_shipped_weights_are_known_by_any_path(monkeypatch):
    spec = get_spec('TinyRN')
    folder = Path(spec.weights).parent
    monkeypatch.chdir(folder.parent)
    for path in (spec.weights, f'{folder.name}/{Path(spec.weights).name}'):
        assert 'ships with this package' in activation_of(read_clip_checkpoint(path), spec).reason
