"""Pretraining: a few steps on CPU, the file it writes, and the weights that ship."""

from __future__ import annotations

import functools
import json
import random

import numpy as np
import pytest
import torch

from mmseg_maskclip.clip.pretraining import build_open_clip, tokenizer
from mmseg_maskclip.tinyworld import CLASSES, SYNONYMS
from mmseg_maskclip.tinyworld.captions import caption
from mmseg_maskclip.tinyworld.pretraining import records
from mmseg_maskclip.tinyworld.pretraining import train as pretraining
from mmseg_maskclip.tinyworld.pretraining.model import FILES, WEIGHTS_DIR, build, load_tiny_clip
from mmseg_maskclip.tinyworld.pretraining.packing import retrieval, used_token_ids
from mmseg_maskclip.tinyworld.pretraining.pictures import CaptionedPictures, normalise
from mmseg_maskclip.tinyworld.pretraining.recipe import RECIPES, SIZES, Recipe
from mmseg_maskclip.tinyworld.pretraining.records import pretrain_to_file
from mmseg_maskclip.tinyworld.pretraining.train import train
from mmseg_maskclip.tinyworld.scenes import object_picture
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

MODELS = ('TinyRN', 'TinyViT', 'TinyViT8')
LEAST_RETRIEVAL = {'TinyRN': 0.95, 'TinyViT': 0.75, 'TinyViT8': 0.95}


def short(model: str, **changes) -> Recipe:
    return RECIPES[model].changed(**{'steps': 2, 'batch': 4, 'log_every': 1, **changes})


@pytest.fixture
def few_pictures(monkeypatch):
    """The retrieval of a run that is recorded is that of some pictures."""
    monkeypatch.setattr(records, 'retrieval', functools.partial(retrieval, count=10))


@pytest.mark.parametrize('model', MODELS[:2])
@pytest.mark.usefixtures('few_pictures')
def test_a_short_run_writes_a_file_that_loads(model, tmp_path):
    steps = []
    record = pretrain_to_file(short(model), tmp_path / 'tiny.pth',
                              on_step=lambda step, loss: steps.append(step))
    assert steps == [1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {'tiny.pth', 'tiny.json'}
    assert json.loads((tmp_path / 'tiny.json').read_text())['loss'] == [
        list(entry) for entry in record['loss']]
    clip = load_tiny_clip(tmp_path / 'tiny.pth', model)
    image = torch.zeros(1, 3, 128, 128)
    with torch.no_grad():
        assert clip.encode_image(image).shape == (1, 128)
        assert clip.encode_text(tokenizer(32)(['a zebra'])).shape == (1, 128)


@pytest.mark.parametrize('model', MODELS[:2])
def test_a_seed_fixes_the_run(model):
    first, log = train(short(model))
    torch.rand(3)
    np.random.rand(3)
    random.random()
    second, other_log = train(short(model))
    assert log == other_log
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name
    changed, _ = train(short(model, seed=1))
    assert not torch.equal(first.text_projection, changed.text_projection)


def test_workers_change_nothing():
    alone, _ = train(short('TinyRN'))
    helped, _ = train(short('TinyRN'), workers=1)
    for name, weight in alone.state_dict().items():
        assert torch.equal(weight, helped.state_dict()[name]), name


@pytest.mark.usefixtures('few_pictures')
def test_a_resumed_run_ends_as_one_without_a_break(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, '_SAVE_EVERY', 2)
    recipe = short('TinyViT', steps=4, patch_dropout=0.5)
    whole = pretrain_to_file(recipe, tmp_path / 'whole.pth')

    def stop(step: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain_to_file(recipe, tmp_path / 'broken.pth', on_step=stop)
    assert [path.name for path in tmp_path.glob('broken*')] == ['broken.state']
    with pytest.raises(InputError, match='of another recipe'):
        pretrain_to_file(recipe.changed(lr=0.5), tmp_path / 'broken.pth', resume=True)
    steps = []
    resumed = pretrain_to_file(recipe, tmp_path / 'broken.pth', resume=True,
                               on_step=lambda step, loss: steps.append(step))
    assert steps == [3, 4] and resumed['loss'] == whole['loss']
    first, second = (torch.load(tmp_path / name, weights_only=True)
                     for name in ('whole.pth', 'broken.pth'))
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(InputError, match='does not exist'):
        pretrain_to_file(recipe, tmp_path / 'broken.pth', resume=True)


def test_the_text_tower_of_another_tiny_clip_is_kept():
    source = load_tiny_clip(WEIGHTS_DIR / FILES['TinyRN'], 'TinyRN').state_dict()
    trained, _ = train(short('TinyViT', text_from='TinyRN'))
    moved = {name for name, weight in trained.state_dict().items()
             if name in source and not torch.equal(weight, source[name])}
    assert not torch.equal(trained.visual.proj, build(short('TinyViT')).visual.proj)
    assert moved == {'logit_scale'} | {name for name in moved if name.startswith('visual.')}


def test_training_learns():
    _, log = train(short('TinyRN', steps=12, batch=16))
    losses = [loss for _, loss in log]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


def test_tokens_never_seen_keep_their_start():
    recipe = short('TinyRN')
    before = build(recipe).token_embedding.weight
    after = train(recipe)[0].token_embedding.weight
    moved = (before != after).any(dim=1).nonzero().flatten()
    assert 0 < len(moved) < 60
    assert set(moved.tolist()) <= set(used_token_ids().tolist())


def test_pairs_do_not_depend_on_order_and_hold_no_mask():
    pairs = CaptionedPictures(seed=3, length=8)
    image, text = pairs[5]
    assert image.shape == (3, 128, 128) and image.dtype == torch.float32
    assert isinstance(text, str)
    again = CaptionedPictures(seed=3, length=4, first=5)[0]
    assert torch.equal(image, again[0]) and text == again[1]


def test_normalise_uses_clips_statistics():
    pixels = np.full((2, 2, 3), 1.0, np.float32)
    expected = [(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258,
                (1 - 0.40821073) / 0.27577711]
    assert torch.allclose(normalise(pixels)[:, 0, 1], torch.tensor(expected), atol=1e-5)


def test_kept_tokens_cover_captions_and_prompts():
    kept = set(used_token_ids().tolist())
    encode = tokenizer(77)
    texts = []
    for index in range(300):
        rng = np.random.default_rng(index)
        names = rng.permutation(CLASSES)[:4]
        texts.append(caption([n for n in names if CLASSES.index(n) >= 6],
                             [n for n in names if CLASSES.index(n) < 6], rng))
    for name in CLASSES:
        for word in (name, *SYNONYMS[name]):
            texts += [f'a photo of a {word}.', f'This is a {word} in the scene.', word,
                      f'a bad photo of many {word}.']
    texts += ['the zebras', 'tigers.', 'ladybirds', 'giraffes', 'cookies', 'strawberries',
              'chessboards', 'melons', 'the red thing with black spots', 'a striped animal']
    assert set(torch.unique(encode(texts)).tolist()) <= kept
    assert len(kept) < 2000


@cases('wrong', [{'steps': 0}, {'batch': 1}, {'model': 'TinyCNN'}, {'seed': -1},
                {'patch_dropout': 1.0}, {'lr': 0.0}, {'text_from': 'TinyCNN'}])
def test_bad_recipes(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        RECIPES['TinyRN'].changed(**wrong)


def test_a_wrong_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match='pth'):
        pretrain_to_file(short('TinyRN'), tmp_path / 'weights.json')
    assert not list(tmp_path.iterdir())


def test_build_open_clip_takes_the_sizes():
    clip = build_open_clip(SIZES['TinyRN'])
    assert clip.visual.attnpool.num_heads == 8
    assert clip.visual.attnpool.c_proj.out_features == 128
    assert clip.context_length == 32


@pytest.mark.parametrize('model', MODELS)
def test_shipped_weights_match_their_record(model):
    path = WEIGHTS_DIR / FILES[model]
    record = json.loads(path.with_suffix('.json').read_text())
    assert Recipe(**record['recipe']) == RECIPES[model]
    assert {'torch', 'open_clip', 'numpy'} <= set(record['versions'])
    steps = [step for step, _ in record['loss']]
    assert steps[-1] == record['recipe']['steps'] and len(steps) > 10
    assert record['loss'][-1][1] < record['loss'][0][1] / 2
    assert path.stat().st_size < (12_000_000 if model == 'TinyViT8' else 4_000_000)
    measured = retrieval(load_tiny_clip(path, model), record['recipe']['seed'], count=60)
    assert measured['class_top1'] > LEAST_RETRIEVAL[model]
    assert abs(measured['class_top1'] - record['retrieval']['class_top1']) < 0.08


@pytest.mark.parametrize('model', MODELS)
def test_shipped_weights_keep_the_tokens_in_use(model):
    packed = torch.load(WEIGHTS_DIR / FILES[model], weights_only=True)
    ids = packed['token_ids']
    assert ids.dtype == torch.int64 and torch.equal(ids, ids.unique())
    assert packed['token_embedding.weight'].shape == (len(ids), 128)
    assert set(used_token_ids().tolist()) <= set(ids.tolist())


def test_shipped_resnet_tells_single_things_apart():
    clip = load_tiny_clip(WEIGHTS_DIR / FILES['TinyRN'], 'TinyRN')
    things = CLASSES[6:]
    pictures = [p for p in (object_picture(77, i) for i in range(80)) if len(p.things) == 1]
    with torch.no_grad():
        images = clip.encode_image(torch.stack(
            [normalise(p.image.astype(np.float32) / 255) for p in pictures]))
        texts = clip.encode_text(tokenizer(32)([f'a photo of a {name}.' for name in things]))
        best = (images @ torch.nn.functional.normalize(texts, dim=-1).T).argmax(1).tolist()
    right = [things[i] == p.things[0] for i, p in zip(best, pictures)]
    assert len(right) > 20 and np.mean(right) > 0.9
