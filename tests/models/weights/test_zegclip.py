"""Checkpoints of ZegCLIP: what is in them, what a test needs beside them, what is refused."""

import numpy as np
import pytest
import torch

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.recordings import read
from helpers.tools import ROOT
from helpers.zegclip import write_zegclip_config

VIT = ROOT / 'mmseg_maskclip/tinyworld/weights/tiny_vit.pth'
OTHERS = ['sky', 'lawn', 'tiles']


@pytest.fixture(scope='module')
def path(tiny_world, tmp_path_factory):
    return write_zegclip_config(tmp_path_factory.mktemp('config') / 'zegclip.py', tiny_world,
                                iterations=1)


@pytest.fixture(scope='module')
def trained(path, tmp_path_factory):
    """An ordinary and a full checkpoint of the same run."""
    found = {}
    for full in (False, True):
        folder = tmp_path_factory.mktemp('run')
        model = train_model(load_config(path), TrainOptions(
            str(folder), seed=0, validate=False, full_checkpoint=full))
        found[full] = folder / 'iter_1.pth'
    return {**found, 'model': model}


def _loaded(path, checkpoint, options=None):
    model = build_model(load_config(path, options))
    load_weights(model, checkpoint)
    return model.eval()


def _same_scores(first, second):
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        return torch.equal(*(model.eval().score_grid(image, [{}]) for model in (first, second)))


def _edited(checkpoint, tmp_path, edit):
    content = read_checkpoint(checkpoint)
    edit(content)
    torch.save(content, tmp_path / 'edited.pth')
    return tmp_path / 'edited.pth'


def test_an_ordinary_checkpoint_has_no_tower(path, trained):
    content = read_checkpoint(trained[False])
    assert not [key for key in content['state_dict'] if 'tower' in key]
    assert content['meta']['text_classes'] == list(CLASSES)
    assert content['meta']['frozen_weights']['clip'] == 'TinyViT'
    # Prompts and their norm, head: as many as the optimizer keeps.
    text = {'decode_head.text.embeddings', 'decode_head.text.row_class'}
    assert len(content['state_dict'].keys() - text) == len(content['optimizer']['state'])
    assert _same_scores(trained['model'], _loaded(path, trained[False]))


def test_a_full_one_needs_no_other_file(path, trained):
    assert [key for key in read_checkpoint(trained[True])['state_dict'] if 'tower' in key]
    model = _loaded(path, trained[True], {'model.clip_checkpoint': 'gone.pt'})
    assert _same_scores(trained['model'], model)
    with pytest.raises(InputError, match=r'gone\.pt'):
        _loaded(path, trained[False], {'model.clip_checkpoint': 'gone.pt'})


def test_the_clip_file_is_known_by_its_weights_in_any_form(path, trained, tmp_path):
    content = torch.load(VIT, weights_only=True)
    torch.save(content, tmp_path / 'copy.pth')
    same = _loaded(path, trained[False], {'model.clip_checkpoint': str(tmp_path / 'copy.pth')})
    assert _same_scores(trained['model'], same)
    name = next(key for key in content if key.endswith('ln_post.bias'))
    content[name] = content[name] + 1
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(InputError, match=r'other weights of TinyViT than those of .*other\.pth'):
        _loaded(path, trained[False], {'model.clip_checkpoint': str(tmp_path / 'other.pth')})


def test_other_classes_are_for_tests_of_transfer(path, trained):
    words = {'model.decode_head.vocabulary': OTHERS, 'model.decode_head.num_classes': 3,
             'model.unseen': [1]}
    with pytest.raises(InputError, match='trained for 14 classes, grass, sky, ..., the config has '
                                         '3, sky, lawn, ...: .*model.transfer=True'):
        _loaded(path, trained[False], words)
    model = _loaded(path, trained[True], {
        **words, 'model.transfer': True, 'model.decode_head.vocabulary': ['sky', 'grass', 'sand']})
    whole = trained['model'].decode_head.text.embeddings
    torch.testing.assert_close(model.decode_head.text.embeddings, whole[[1, 0, 2]])


def test_text_embeddings_of_the_training_are_used_and_others_told(path, trained, caplog):
    assert _same_scores(trained['model'], _loaded(path, trained[False]))
    assert 'are not used' not in caplog.text
    model = _loaded(path, trained[False], {'model.decode_head.templates': 'imagenet85'})
    assert _same_scores(trained['model'], model)
    told = [line for line in caplog.messages if 'are not used' in line]
    assert len(told) == 1 and 'single' in told[0] and 'imagenet85' in told[0]


@cases('options, words', [
    ({'model.backbone.num_prompts': 3}, ['of another shape', 'prompt_embeddings',
                                         'number and depth of the prompts']),
    ({'model.backbone.prompt_depth': 'shallow'}, ['deep_prompt_embeddings', 'depth']),
    ({'model.decode_head.num_layers': 3}, ['decoder.layers.1', 'are missing']),
])
def test_another_model_is_refused(path, trained, options, words):
    with pytest.raises(InputError) as told:
        _loaded(path, trained[False], options)
    assert not [word for word in words if word not in str(told.value)], told.value


def test_a_new_run_starts_from_what_was_learned(path, trained, tiny_world, tmp_path):
    config = write_zegclip_config(tmp_path / 'next.py', tiny_world, 'transductive', iterations=1)
    options = {'optimizer.lr': 0.0}
    for checkpoint in (trained[False], trained[True]):
        model = train_model(load_config(config, options), TrainOptions(
            str(tmp_path / 'run'), seed=0, validate=False, load_from=str(checkpoint)))
        assert _same_scores(trained['model'], model)
    wrong = {**options, 'model.backbone.num_prompts': 3}
    with pytest.raises(InputError, match='of another shape'):
        train_model(load_config(config, wrong), TrainOptions(
            str(tmp_path / 'wrong'), seed=0, load_from=str(trained[False])))


@pytest.fixture
def official(tmp_path):
    """A recorded checkpoint of the official code, whose 4 seen of 6 classes were trained."""
    state = {key[3:]: torch.from_numpy(value) for key, value in
             read('zegclip_inductive').items() if key.startswith('sd/')}
    state['text_encoder.ln_final.weight'] = torch.ones(8)
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'official.pth')
    np.save(tmp_path / 'text.npy', read('zegclip_inductive')['text'])
    return tmp_path / 'official.pth'


def _official_config(folder, names='abcdef', **model):
    arch = dict(width=48, layers=3, heads=4, patch_size=8, image_size=64, embed_dim=32)
    file = folder / 'official.py'
    file.write_text(f"""
model = dict(type='ZegClip', backbone=dict(
    type='PromptedClipViT', arch={arch}, num_prompts=3, positions='bilinear', stored_grid=(8, 8),
    renormalise=False, double_class_token=True), decode_head=dict(
    type='ZegClipHead', num_classes={len(names)}, text_channels=32, embed_dims=32, num_heads=4,
    vocabulary={list(names)}, text_embeddings_path={str(folder / 'text.npy')!r}),
    test_cfg=dict(mode='whole'), **{model})
data = dict()
""")
    return file


def test_an_official_checkpoint_is_loaded_and_its_dead_weights_named(official, tmp_path, caplog):
    _loaded(_official_config(tmp_path, unseen=[4, 5]), official)
    told = [line for line in caplog.messages if 'official ZegCLIP' in line]
    assert len(told) == 1
    for name in ('32 parameters', 'decoder_1.layers.0.self_attn', 'text_encoder', 'empty_weight',
                 'decoder_1.layers.2.linear1'):
        assert name in told[0]


def test_an_official_checkpoint_without_a_decoder_is_refused(official, tmp_path):
    state = torch.load(official)['state_dict']
    torch.save({'state_dict': {key: value for key, value in state.items()
                               if 'decoder_1' not in key}, 'meta': {}}, official)
    with pytest.raises(InputError, match=r'does not fit.*missing.*decoder'):
        _loaded(_official_config(tmp_path, unseen=[4, 5]), official)


def test_an_official_checkpoint_of_other_classes_is_refused(official, tmp_path):
    with pytest.raises(InputError, match=r'trained with num_classes=4, expected 5 or 6'):
        _loaded(_official_config(tmp_path, unseen=[5]), official)
    _loaded(_official_config(tmp_path, transfer=True), official)


def test_text_embeddings_of_another_width_or_number_are_refused(official, tmp_path):
    np.save(tmp_path / 'text.npy', read('zegclip_inductive')['text'][:5])
    with pytest.raises(InputError, match=r'text\.npy.*5.*6'):
        _loaded(_official_config(tmp_path, unseen=[4, 5]), official)
    np.save(tmp_path / 'text.npy', np.ones((6, 16), np.float32))
    with pytest.raises(InputError, match=r'text\.npy.*16.*32'):
        _loaded(_official_config(tmp_path, unseen=[4, 5]), official)
