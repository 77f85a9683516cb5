"""CLIP's ViT with learned prompts, against a forward that keeps them in the sequence."""

import pytest
import torch

from mmseg_maskclip.models import PromptedClipViT
from mmseg_maskclip.models.unregistered import needed_state, unregistered_hashes
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.zegclip import ARCH


def _backbone(**settings):
    torch.manual_seed(0)
    return PromptedClipViT(ARCH, **{'num_prompts': 2, 'prompt_dropout': 0.0, **settings})


def _plain(model, img, sets, removed_from=None):
    """Prompts between class token and patches, every block over every token (Z: CLS, n, patches).

    ``sets`` gives the prompts of a block, from which they are replaced; before ``removed_from``
    they are taken out.
    """
    tower, count = model.tower, model.num_prompts
    tokens, grid = tower.embed(img)
    inside = False
    for number, block in enumerate(tower.layers, 1):
        if number == removed_from:
            tokens, inside = torch.cat([tokens[:, :1], tokens[:, 1 + count:]], dim=1), False
        if number in sets:
            prompts = model.prompt_proj(sets[number]).expand(len(img), -1, -1)
            rest = tokens[:, 1 + count:] if inside else tokens[:, 1:]
            tokens, inside = torch.cat([tokens[:, :1], prompts, rest], dim=1), True
        tokens = block(tokens)
    if model.prompt_norm is not None:
        tokens = model.prompt_norm(tokens)
    joint = tower.proj(tower.ln1(tokens))
    patches = joint[:, -grid[0] * grid[1]:]
    return patches.transpose(1, 2).unflatten(2, grid), joint[:, 0]


@pytest.mark.parametrize(('depth', 'first', 'deep', 'removed'), [
    ('deep', 1, [2, 3], None), (3, 1, [2, 3], None), ('shallow', 1, [], None), (1, 1, [], 2),
    (2, 1, [2], 3), (-1, None, [3], None), (-2, None, [2, 3], None)])
@torch.no_grad()
def test_prompts_are_seen_in_their_blocks(depth, first, deep, removed):
    model, img = _backbone(prompt_depth=depth).eval(), torch.randn(2, 3, 40, 56)
    sets = {} if first is None else {1: model.prompt_embeddings[0]}
    sets.update(zip(deep, model.deep_prompt_embeddings if deep else ()))
    assert (model.prompt_embeddings is None) == (first is None)
    assert (model.deep_prompt_embeddings is None) == (not deep)
    found, (patches, image) = model(img), _plain(model, img, sets, removed)
    torch.testing.assert_close(found.features, patches)
    torch.testing.assert_close(found.image, image)


@torch.no_grad()
def test_without_prompts_and_norm_it_is_the_tower():
    model, img = _backbone(num_prompts=0, prompt_norm=False).eval(), torch.randn(1, 3, 32, 48)
    assert not list(model.parameters())
    found = model(img)
    torch.testing.assert_close(found.features, model.tower.dense(img, attention=True).features)
    torch.testing.assert_close(found.image, model.tower.encode_image(img))


@torch.no_grad()
def test_the_quirks_of_the_published_tower_are_settings():
    img = torch.randn(1, 3, 32, 32)
    plain, doubled = _backbone().tower, _backbone(double_class_token=True).tower
    moved = doubled.embed(img)[0] - plain.embed(img)[0]
    assert moved[:, 0].abs().max() > 0.01 and moved[:, 1:].abs().max() == 0
    plain.cls_token.mul_(2)
    torch.testing.assert_close(plain.embed(img)[0], doubled.embed(img)[0])
    torch.testing.assert_close(_backbone(renormalise=False).tower.normalise(img), img)
    assert (_backbone().tower.normalise(img) - img).abs().max() > 0.01


def test_only_prompts_are_learned_and_the_tower_is_nowhere_registered():
    model = _backbone()
    assert set(dict(model.named_parameters())) == set(model.state_dict()) == {
        'prompt_embeddings', 'deep_prompt_embeddings', 'prompt_proj.weight', 'prompt_proj.bias',
        'prompt_norm.weight', 'prompt_norm.bias'}
    model.train()
    assert not model.tower.training
    assert not any(weight.requires_grad for weight in model.tower.parameters())
    assert {key.split('.')[0] for key in needed_state(model)} == {'tower'}
    assert set(unregistered_hashes(torch.nn.Sequential(model))) == {'0.tower'}
    model.double()
    assert model(torch.randn(1, 3, 32, 32)).features.dtype == torch.float64


@torch.no_grad()
def test_prompts_drop_out_in_training_alone():
    model, img = _backbone(prompt_dropout=0.5), torch.randn(1, 3, 32, 32)
    model.train()
    assert not torch.equal(model(img).features, model(img).features)
    # In each image of a batch on its own.
    first, second = model(img.expand(2, -1, -1, -1)).features
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model(img).features, model(img).features)


@cases('arch, grid', [
    ('ViT-B/32', (7, 8)), ('ViT-B/16', (13, 15)), ('ViT-L/14', (15, 17)),
    ('ViT-L/14@336px', (15, 17)), ('ViT-H-14:laion2b_s32b_b79k', (15, 17))])
def test_any_vit_takes_prompts(arch, grid):
    """Without weights, of which the largest has 2.5 GB."""
    with torch.device('meta'):
        model = PromptedClipViT(arch, num_prompts=3, prompt_depth=-2)
        found = model(torch.empty(1, 3, 200, 232))
    assert found.features.shape == (1, model.spec.embed_dim, *grid)


def test_prompts_start_within_the_published_bounds():
    model = PromptedClipViT('ViT-B/16', num_prompts=4)
    values = torch.cat([model.prompt_embeddings, model.deep_prompt_embeddings])
    assert values.shape == (12, 4, 768)
    # sqrt(6 / (3 * 16 * 16 + 768))
    assert 0.062 < values.abs().max() <= 0.0625
    assert model.prompt_norm.eps == 1e-6


@cases('settings, words', [
    (dict(arch='RN50'), 'CLIP model RN50 has a resnet tower'),
    (dict(arch=dict(ARCH, kind='resnet')), 'resnet tower'),
    (dict(prompt_dim=64), 'prompt_dim is 64, expected 32'),
    (dict(prompt_depth=0), 'prompt_depth is 0'), (dict(prompt_depth=4), 'prompt_depth is 4'),
    (dict(prompt_depth='all'), "prompt_depth is 'all', expected one of"),
    (dict(num_prompts=-1), 'num_prompts'), (dict(prompt_dropout=1.0), 'prompt_dropout'),
])
def test_impossible_settings_are_told(settings, words):
    with pytest.raises(InputError, match=words):
        PromptedClipViT(**{'arch': ARCH, **settings})
