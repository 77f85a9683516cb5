import pytest
import torch
from mmseg.models import build_backbone

from mmseg_maskclip.clip import get_spec, list_models, openai_to_backbone
from mmseg_maskclip.models import ClipResNet, ClipViT
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip, spec_of

IMAGENET = torch.tensor([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]])
KINDS = ('vit', 'resnet')


def _sizes(model):
    keys = ('kind', 'width', 'layers', 'heads', 'patch_size', 'image_size', 'embed_dim',
            'activation', 'name')
    return {key: getattr(spec_of(model), key) for key in keys}


def _ours(model, **kwargs):
    sizes = _sizes(model)
    backbone = (ClipViT if sizes['kind'] == 'vit' else ClipResNet)(arch=sizes, **kwargs)
    state = {k[7:]: v for k, v in model.state_dict().items() if k.startswith('visual.')}
    backbone.load_state_dict(openai_to_backbone(state, sizes['kind']))
    return backbone


def _pixels(*size, seed=0):
    return torch.randint(0, 256, (size[0], 3, *size[1:]),
                         generator=torch.Generator().manual_seed(seed)).float()


def _imagenet(pixels):
    mean, std = IMAGENET[:, None, :, None, None]
    return (pixels - mean) / std


def _openai(pixels):
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
    return (pixels / 255 - mean) / std


@pytest.mark.parametrize('quick_gelu', [True, False])
@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_ordinary_forward_equals_open_clip(kind, quick_gelu):
    model = make_tiny_clip(kind, quick_gelu=quick_gelu)
    pixels = _pixels(2, 64, 64)
    expected = model.encode_image(_openai(pixels))
    found = _ours(model, fidelity='clip').encode_image(_imagenet(pixels))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_paper_fidelity_differs_where_it_should(kind):
    model, pixels = make_tiny_clip(kind), _pixels(1, 64, 64)
    expected = model.encode_image(_imagenet(pixels))
    found = _ours(model, fidelity='paper').encode_image(_imagenet(pixels))
    same = torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert same == (kind == 'resnet')  # a ResNet has neither GELU nor LayerNorm


@cases('name', [n for n in list_models() if not n.startswith('Tiny')])
def test_every_model_is_built_with_open_clips_shapes(name):
    import open_clip
    spec = get_spec(name)
    with torch.device('meta'):
        kind = ClipViT if spec.kind == 'vit' else ClipResNet
        ours = {k: tuple(v.shape) for k, v in kind(arch=name).state_dict().items()}
        config = open_clip.get_model_config(spec.open_clip_name)
        visual = open_clip.CLIP(config['embed_dim'], config['vision_cfg'], config['text_cfg'],
                                quick_gelu=config.get('quick_gelu', False)).visual
        theirs = openai_to_backbone(visual.state_dict(), spec.kind)
    assert ours == {k: tuple(v.shape) for k, v in theirs.items()}


@cases('fidelity', ['paper', 'clip'])
@cases('kind, size, grid', [
    ('vit', (64, 64), (4, 4)), ('vit', (65, 33), (5, 3)), ('vit', (16, 256), (1, 16)),
    ('vit', (7, 9), (1, 1)), ('resnet', (64, 64), (2, 2)), ('resnet', (97, 160), (3, 5)),
    ('resnet', (32, 33), (1, 1)),
    ('resnet', (3, 90), (1, 2))])
@torch.no_grad()
def test_any_size_and_batch(kind, size, grid, fidelity):
    backbone = _ours(make_tiny_clip(kind), fidelity=fidelity)
    image = _imagenet(_pixels(2, *size))
    dense = backbone.dense(image, keys=True)
    assert dense.features.shape == (2, 32, *grid)
    assert dense.keys.shape[:2] == (2, grid[0] * grid[1])
    alone = backbone.dense(image[1:], keys=True)
    torch.testing.assert_close(alone.features[0], dense.features[1], rtol=1e-4, atol=1e-5)
    assert backbone(image)[0].equal(dense.features)
    assert backbone.dense(image).keys is None


@cases('fidelity', ['paper', 'clip'])
@cases('kind, size, padded', [
    ('vit', (50, 70), (64, 80)), ('vit', (64, 33), (64, 48)), ('resnet', (3, 90), (32, 90))])
@torch.no_grad()
def test_padding_is_the_towers_mean_colour_at_the_bottom_and_right(kind, size, padded, fidelity):
    """The features are those of the same picture padded by hand."""
    backbone, pixels = _ours(make_tiny_clip(kind), fidelity=fidelity), _pixels(1, *size)
    mean = IMAGENET[0] if fidelity == 'paper' else 255 * torch.tensor(backbone.spec.mean)
    by_hand = mean.view(1, 3, 1, 1).repeat(1, 1, *padded)
    by_hand[:, :, :size[0], :size[1]] = pixels
    found, expected = (backbone.dense(_imagenet(one), keys=True) for one in (pixels, by_hand))
    torch.testing.assert_close(found.features, expected.features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.keys, expected.keys, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_value_readout_is_the_last_block_with_identity_attention():
    """Rebuilt from open_clip's own modules: its attention masked to the diagonal."""
    model = make_tiny_clip('vit')
    pixels = _pixels(1, 64, 64)
    visual = model.visual
    inputs = []
    block = visual.transformer.resblocks[-1]
    hook = block.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    visual(_openai(pixels))
    hook.remove()
    tokens = inputs[0]
    diagonal = torch.full((17, 17), float('-inf')).fill_diagonal_(0)
    out = block(tokens, attn_mask=diagonal)
    expected = (visual.ln_post(out) @ visual.proj)[:, 1:].transpose(1, 2).reshape(1, 32, 4, 4)
    found = _ours(model, fidelity='clip').dense(_imagenet(pixels)).features
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_attention_readout_is_open_clips_own_token_output():
    model, pixels = make_tiny_clip('vit'), _pixels(1, 64, 64)
    tokens = model.visual.forward_intermediates(
        _openai(pixels), indices=1, normalize_intermediates=True)['image_intermediates'][-1]
    expected = (tokens.flatten(2).transpose(1, 2) @ model.visual.proj).transpose(1, 2)
    found = _ours(model, fidelity='clip').dense(_imagenet(pixels), attention=True).features
    torch.testing.assert_close(found.flatten(2), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('readout', [
    dict(), dict(pairs='v', residual=False), dict(pairs='v', ffn=False),
    dict(pairs='v', residual=False, ffn=False)])
@torch.no_grad()
def test_readouts_a_config_may_name(readout):
    """Rebuilt from the parts of open_clip's last block; keys are the same in all of them."""
    model = make_tiny_clip('vit')
    pixels = _pixels(1, 64, 64)
    visual = model.visual
    block = visual.transformer.resblocks[-1]
    inputs = []
    hook = block.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    visual(_openai(pixels))
    hook.remove()
    tokens, attention = block.ln_1(inputs[0]), block.attn
    _, keys, values = torch.nn.functional.linear(
        tokens, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=2)
    read = (attention.out_proj(values) if 'pairs' in readout
            else attention(tokens, tokens, tokens)[0])
    out = inputs[0] + read if readout.get('residual', True) else read
    if readout.get('ffn', True):
        out = out + block.mlp(block.ln_2(out))
    expected = (visual.ln_post(out) @ visual.proj)[:, 1:].transpose(1, 2).reshape(1, 32, 4, 4)
    backbone = _ours(model, fidelity='clip', readout=dict(type='AttentionReadout', **readout))
    found = backbone.dense(_imagenet(pixels), keys=True)
    torch.testing.assert_close(found.features, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        found.keys, torch.nn.functional.normalize(keys[:, 1:], dim=2), rtol=1e-4, atol=1e-5)
    assert backbone.dense(_imagenet(pixels)).keys is None


@torch.no_grad()
def test_resnet_value_readout_worked_on_open_clips_map():
    model, pixels = make_tiny_clip('resnet'), _pixels(1, 96, 64)
    visual = model.visual
    x = visual.stem(_openai(pixels))
    x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(x))))
    pool = visual.attnpool
    values = torch.einsum('bchw,oc->bohw', x, pool.v_proj.weight) + pool.v_proj.bias.view(-1, 1, 1)
    expected = (torch.einsum('bchw,oc->bohw', values, pool.c_proj.weight)
                + pool.c_proj.bias.view(-1, 1, 1))
    found = _ours(model, fidelity='clip').dense(_imagenet(pixels)).features
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_resnet_attention_readout_has_the_mean_token_among_its_keys():
    """At the native size the mean token's own answer is open_clip's embedding."""
    model, pixels = make_tiny_clip('resnet'), _pixels(1, 64, 64)
    backbone = _ours(model, fidelity='clip')
    tokens, grid = backbone._map(_imagenet(pixels))
    pooled = backbone.attnpool(backbone._with_mean(tokens, grid, positions=True))
    torch.testing.assert_close(pooled[:, 0], model.encode_image(_openai(pixels)),
                               rtol=1e-4, atol=1e-5)
    dense = backbone.dense(_imagenet(pixels), attention=True).features
    torch.testing.assert_close(pooled[:, 1:].transpose(1, 2), dense.flatten(2))


@pytest.mark.parametrize(('fidelity', 'dim'), [('paper', 1), ('clip', 2)])
@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_keys_are_normalised_as_the_fidelity_says(kind, fidelity, dim):
    keys = _ours(make_tiny_clip(kind), fidelity=fidelity).dense(
        _imagenet(_pixels(1, 96, 128)), keys=True).keys
    norms = keys.norm(dim=dim)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_positions_are_resized_once_per_size(monkeypatch):
    from mmseg_maskclip.models.backbones import base
    backbone = _ours(make_tiny_clip('vit'))
    calls = []
    original = base.resize_positions
    monkeypatch.setattr(base, 'resize_positions',
                        lambda *args: calls.append(args[1]) or original(*args))
    for size in ((96, 64), (96, 64), (64, 96), (96, 64)):
        backbone(torch.zeros(1, 3, *size))
    assert calls == [(6, 4), (4, 6)]
    before = backbone(torch.ones(1, 3, 96, 64))[0]
    state = backbone.state_dict()
    state['pos_embed'] = state['pos_embed'] + 1
    backbone.load_state_dict(state)
    assert not torch.allclose(backbone(torch.ones(1, 3, 96, 64))[0], before)


@pytest.mark.parametrize('kind', KINDS)
def test_frozen_backbone_has_no_gradient_and_stays_in_eval(kind):
    backbone = _ours(make_tiny_clip(kind)).train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not backbone(torch.randn(1, 3, 64, 64))[0].requires_grad
    free = _ours(make_tiny_clip(kind), frozen=False).train()
    free(torch.randn(2, 3, 64, 64))[0].sum().backward()
    assert any(parameter.grad is not None for parameter in free.parameters())


def test_a_frozen_resnet_runs_folded_and_follows_its_weights():
    """Batch norms with statistics of their own, as trained weights have them."""
    first, second = (make_tiny_clip('resnet', seed=seed) for seed in (1, 2))
    generator = torch.Generator().manual_seed(3)
    for model in (first, second):
        for module in model.visual.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for values in (module.running_var, module.weight.data):
                    values.uniform_(0.5, 2, generator=generator)
                module.running_mean.normal_(generator=generator)
    frozen, free = _ours(first), _ours(first, frozen=False).eval()
    image = _imagenet(_pixels(1, 70, 100))
    found, plain = frozen.dense(image).features, free.dense(image).features
    torch.testing.assert_close(found, plain.detach(), rtol=1e-4, atol=1e-4)
    assert frozen.state_dict().keys() == free.state_dict().keys()
    frozen.load_state_dict(_ours(second).state_dict())
    torch.testing.assert_close(frozen.dense(image).features, _ours(second).dense(image).features)
    assert (frozen.dense(image).features - found).abs().max() > 0.01
    assert frozen.double().dense(image.double()).features.dtype == torch.float64


def test_registered_with_mmseg():
    assert isinstance(build_backbone(dict(type='ClipViT', arch='TinyViT')), ClipViT)
    assert isinstance(build_backbone(dict(type='ClipResNet', arch='TinyRN')), ClipResNet)


@pytest.mark.parametrize(('make', 'words'), [
    (lambda: ClipViT(arch='RN50'), "use backbone type 'ClipResNet'"),
    (lambda: ClipViT(arch='ViT-B/17'), 'ViT-B/16'),
    (lambda: ClipViT(arch='TinyViT', fidelity='papre'), "fidelity is 'papre'"),
])
def test_bad_input_is_one_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()
