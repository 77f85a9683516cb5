"""What holds for every read-out, on a deep tiny tower."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from mmseg_maskclip.clip import TextBank, get_spec, read_clip_checkpoint
from mmseg_maskclip.models import ClipResNet, ClipViT, MaskClip
from mmseg_maskclip.models.backbones.readouts import AttentionReadout, Guide
from mmseg_maskclip.models.backbones.readouts.calibrated import _similarity
from mmseg_maskclip.models.segmentors.feedback import SemanticFeedback
from mmseg_maskclip.models.segmentors.views import ImageViews
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.ops import aggregate
from mmseg_maskclip.utils import InputError, TooSmallError

from helpers.cases import cases

DEEP = dict(width=48, layers=12, heads=4, patch_size=8, image_size=64, embed_dim=32)
REDUCED = dict(residual=False, ffn=False)
MIDDLE = dict(blocks=(6, 7, 8, 9), pairs='qk', weight=0.3, gain=2.0)
ATTENTION = {
    'clip': dict(),
    'maskclip': dict(pairs='v'),
    'maskclip_reduced': dict(pairs='v', **REDUCED),
    'sclip': dict(pairs=('qq', 'kk')),
    'clearclip': dict(pairs='qq', **REDUCED),
    'naclip': dict(pairs='kk', bias=dict(sigma=5.0), **REDUCED),
    'nonly': dict(pairs='bias', bias=dict(sigma=5.0), **REDUCED),
    'resclip': dict(pairs='kk', bias=dict(sigma=5.0), middle=MIDDLE, **REDUCED),
    'itaclip': dict(pairs=('qq', 'kk'), ffn=False, middle=dict(
        blocks=(7, 8, 10), pairs=('qq', 'kk'), weight=0.5)),
    'last three': dict(pairs='qq', last=3, **REDUCED),
}
METHODS = {name: dict(type='AttentionReadout', **settings) for name, settings in ATTENTION.items()}
METHODS.update({
    'gem': dict(type='DualPathReadout'),
    'surgery': dict(type='DualPathReadout', attention='vv'),
    'scclip': dict(type='CalibratedReadout'),
    'added value': dict(type='AddedValueReadout'),
})


def _tower(readout, **settings):
    torch.manual_seed(0)
    return ClipViT(arch=DEEP, fidelity='clip', readout=readout, **settings)


def _images(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(1))


@cases('method', METHODS)
def test_images_of_a_batch_are_read_apart_on_any_grid(method):
    backbone = _tower(METHODS[method])
    images = _images(2, 3, 40, 77)
    both = backbone.dense(images).features
    assert both.shape == (2, 32, 5, 10) and not both.requires_grad
    alone = torch.cat([backbone.dense(image[None]).features for image in images])
    torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-5)


@cases('method', METHODS)
@torch.no_grad()
def test_half_precision_is_near(method):
    backbone = _tower(METHODS[method])
    images = _images(2, 3, 64, 96)
    single = F.normalize(backbone.dense(images).features, dim=1)
    half = F.normalize(backbone.half().dense(images).features.float(), dim=1)
    # Of the fp16 rounding of twelve blocks; NaN fails, too.
    assert (single * half).sum(dim=1).min() > 0.99


@cases('method', METHODS)
@torch.no_grad()
def test_autocast_is_near(method):
    backbone = _tower(METHODS[method])
    images = _images(2, 3, 64, 96)
    single = F.normalize(backbone.dense(images).features, dim=1)
    with torch.autocast('cpu', torch.bfloat16):
        cast = F.normalize(backbone.dense(images).features.float(), dim=1)
    assert (single * cast).sum(dim=1).mean() > 0.99


@torch.no_grad()
def test_autocast_leaves_similarities_guides_and_views_in_single_precision():
    backbone = _tower(METHODS['resclip'])
    image, text = _images(1, 3, 48, 56), F.normalize(_images(7, 32), dim=1)
    feedback, views = SemanticFeedback(), ImageViews()
    features, patches = backbone.dense(image).features, _images(1, 40, 8)

    def results():
        similar = _similarity(patches)
        return (similar, aggregate(similar, patches, 0.4), views.of_images(image, backbone),
                feedback.guide(features, image, text, backbone).matrix)

    expected = results()
    with torch.autocast('cpu', torch.bfloat16):
        found = results()
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@torch.no_grad()
def test_a_resnet_is_read_with_half_of_its_attention():
    """c(v) + out / 2 with positions; out by torch's own attention, one head after the other."""
    backbone = ClipResNet(arch='TinyRN', fidelity='clip', readout=dict(type='AddedValueReadout'))
    load_tower(backbone, read_clip_checkpoint(get_spec('TinyRN').weights))
    image, pool = _images(2, 3, 128, 96), backbone.attnpool
    tokens, grid = backbone._map(image)
    assert grid == (4, 3)
    # The table of 4 x 4, resized to 4 x 3 by torch.
    table = pool.positional_embedding
    planes = F.interpolate(table[1:].T.reshape(1, -1, 4, 4), grid, mode='bicubic')
    tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + torch.cat(
        [table[:1], planes[0].flatten(1).T])
    query, key, value = (layer(tokens) for layer in (pool.q_proj, pool.k_proj, pool.v_proj))
    mixed = []
    for part in range(pool.heads):
        own = slice(part * 64, (part + 1) * 64)
        weights = (query[..., own] @ key[..., own].mT / 8).softmax(dim=-1)
        mixed.append(weights @ value[..., own])
    out = pool.c_proj(torch.cat(mixed, dim=-1))
    expected = (pool.c_proj(value) + out / 2)[:, 1:].mT.unflatten(2, grid)
    dense = backbone.dense(image, image=True)
    torch.testing.assert_close(dense.features, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dense.image, out[:, 0], rtol=1e-4, atol=1e-4)
    assert dense.scored_as_is and not backbone.dense(image, attention=True).scored_as_is


# What a setting does when it is changed from what the method has.
SWITCHES = {
    'pairs': (dict(pairs='qq'), dict(pairs='kk')),
    'combine': (dict(pairs=('qq', 'kk')), dict(combine='mean')),
    'bias': (dict(pairs='kk'), dict(bias=dict(sigma=5.0))),
    'sigma': (dict(pairs='kk', bias=dict(sigma=5.0)), dict(bias=dict(sigma=2.0))),
    'residual': (dict(), dict(residual=False)),
    'ffn': (dict(), dict(ffn=False)),
    'last': (dict(**REDUCED), dict(last=2)),
    'blocks': (dict(middle=MIDDLE), dict(middle={**MIDDLE, 'blocks': (7,)})),
    'weight': (dict(middle=MIDDLE), dict(middle={**MIDDLE, 'weight': 0.5})),
    'gain': (dict(middle=MIDDLE), dict(middle={**MIDDLE, 'gain': 1.0})),
    'path': (dict(type='DualPathReadout'), dict(blocks=3)),
    'attention': (dict(type='DualPathReadout'), dict(attention='vv')),
    'iterations': (dict(type='DualPathReadout'), dict(iterations=0)),
    'temperature': (dict(type='DualPathReadout'), dict(temperature=9.0)),
    'reduced': (dict(type='DualPathReadout'), dict(residual=False)),
    'before': (dict(type='CalibratedReadout'), dict(before=8)),
    'after': (dict(type='CalibratedReadout'), dict(after=5)),
    'levels': (dict(type='CalibratedReadout'), dict(levels=(4, 9))),
    'class_share': (dict(type='CalibratedReadout'), dict(class_share=0.0)),
    'threshold': (dict(type='CalibratedReadout'), dict(threshold=0.9)),
}


@cases('setting', SWITCHES)
@torch.no_grad()
def test_every_setting_changes_the_features(setting):
    base, change = SWITCHES[setting]
    before, after = (_tower({'type': 'AttentionReadout', **base, **more}).dense(
        _images(1, 3, 64, 64)).features for more in ({}, change))
    assert not torch.allclose(before, after, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_positions_and_padding_are_settings():
    features = {}
    for settings in (dict(), dict(positions='plus'), dict(positions='antialias'),
                     dict(positions='bilinear'), dict(pad='centre'), dict(pad='drop')):
        backbone = _tower(None, **settings)
        dense = backbone.dense(_images(1, 3, 60, 44)).features
        assert dense.shape[2:] == ((7, 5) if settings.get('pad') == 'drop' else (8, 6))
        features[str(settings)] = dense[..., :7, :5]
        padded = (2, 2) if settings.get('pad') == 'centre' else (0, 0)
        assert backbone.score_padding(60) == padded
    first = features.pop('{}')
    assert not any(torch.allclose(first, other, atol=1e-3) for other in features.values())


@torch.no_grad()
def test_a_stored_table_is_resized_when_weights_are_loaded():
    checkpoint = read_clip_checkpoint(get_spec('TinyViT').weights)
    stored, plain = (ClipViT(arch='TinyViT', fidelity='clip', positions='bilinear', **settings)
                     for settings in (dict(stored_grid=(12, 20)), {}))
    for backbone in (stored, plain):
        load_tower(backbone, checkpoint)
    assert stored.pos_embed.shape == (1, 241, 192)
    image = _images(1, 3, 96, 160)
    torch.testing.assert_close(stored.dense(image).features, plain.dense(image).features)
    # Elsewhere it starts from the stored table: two interpolations, not one.
    native = _images(1, 3, 128, 128)
    difference = (stored.dense(native).features - plain.dense(native).features).abs().max()
    assert difference > 1e-3


@torch.no_grad()
def test_a_guide_keeps_patches_to_their_own_kind():
    """With all weight on a matrix that knows two halves, no half sees the other."""
    backbone = _tower(dict(type='AttentionReadout', pairs='kk', residual=False, ffn=False))
    image = _images(1, 3, 16, 64)
    other = image.clone()
    other[..., 32:] = 0
    half = torch.arange(16) % 8 < 4
    matrix = (half[:, None] == half).float()[None]
    traces = [backbone.trace(one) for one in (image, other)]
    # The blocks before mix both halves: the left patches must be those of one trace.
    left = torch.cat([torch.tensor([True]), half])[None, :, None]
    traces[1].inputs[12] = torch.where(left, traces[0].inputs[12], traces[1].inputs[12])
    guided, free = ([backbone.read(trace, guide)[0].flatten(1)[:, half] for trace in traces]
                    for guide in (Guide(matrix, 400.0, 1.0), None))
    torch.testing.assert_close(*guided, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(*free, rtol=1e-2)


@cases('method, parts, blocks', [('resclip', 2, 4), ('itaclip', 2, 3), ('gem', 3, 5),
                                 ('surgery', 1, 5)])
@torch.no_grad()
def test_what_a_block_projects_is_not_projected_again(method, parts, blocks):
    backbone, image = _tower(METHODS[method]), _images(1, 3, 64, 64)
    features, work = [], []
    for kept in (backbone._packed, frozenset()):
        backbone._packed = kept
        with FlopCounterMode(display=False) as counter:
            features.append(backbone.dense(image).features)
        work.append(counter.get_total_flops())
    torch.testing.assert_close(*features, rtol=1e-5, atol=1e-5)
    tokens, width = 65, DEEP['width']
    assert work[1] - work[0] == 2 * tokens * width ** 2 * parts * blocks


@torch.no_grad()
def test_a_second_read_out_repeats_nothing_and_changes_nothing(monkeypatch):
    backbone, image = _tower(METHODS['resclip']), _images(1, 3, 32, 32)
    guide = Guide(torch.rand(1, 16, 16), 2.2, 0.7)
    expected = backbone.read(backbone.trace(image), guide)
    made, mix = [], AttentionReadout._mix
    monkeypatch.setattr(AttentionReadout, '_mix', lambda self, trace, number, *args:
                        made.append(number) or mix(self, trace, number, *args))
    trace = backbone.trace(image)
    first = backbone.read(trace)
    assert torch.equal(backbone.read(trace, guide), expected)
    assert torch.equal(backbone.read(trace), first) and not torch.equal(first, expected)
    assert made == [12, 6, 7, 8, 9, 12, 12]


def test_blocks_keep_their_share_of_the_depth():
    middle = dict(type='AttentionReadout', middle=MIDDLE)
    for layers, expected in ((12, (6, 7, 8, 9)), (24, (12, 14, 16, 18)), (8, (4, 5, 6))):
        backbone = ClipViT(arch={**DEEP, 'layers': layers}, readout=middle)
        assert sorted(backbone._kept - {layers}) == list(expected)
    own = ClipViT(arch={**DEEP, 'layers': 8}, readout=dict(
        type='AttentionReadout', middle={**MIDDLE, 'counted_in': None, 'blocks': (3, -2)}))
    assert sorted(own._kept - {8}) == [3, 7]


@torch.no_grad()
def test_the_gaussian_is_made_once_per_grid(monkeypatch):
    from mmseg_maskclip.models.backbones.readouts import attention
    made = []
    original = attention.gaussian_bias
    monkeypatch.setattr(attention, 'gaussian_bias',
                        lambda *args: made.append(args[0]) or original(*args))
    backbone = _tower(METHODS['naclip'])
    for width in (64, 96, 64, 96):
        backbone.dense(_images(1, 3, 32, width))
    assert made == [(4, 8), (4, 12)]


@cases('method', METHODS)
def test_a_teacher_of_every_kind_scores_smooths_and_is_weighted(method):
    images, bank = _images(2, 3, 64, 72), TextBank(F.normalize(torch.eye(2, 32) + 0.1), ('a', 'b'))
    found = []
    for ks in (0.0, 1.0):
        model = _model(backbone=dict(readout=METHODS[method]), ks=ks)
        model.backbone.load_state_dict(_tower(METHODS[method]).state_dict())
        model.decode_head.set_text_bank(bank)
        dense = model.extract_feat(images)
        assert (dense.keys is not None) == bool(ks) and not dense.features.requires_grad
        for weight in (None, lambda scores: scores * torch.tensor([2.0, 0.5]).view(1, 2, 1, 1)):
            scores = model.score_classes(dense, [0, 1], weight)
            assert scores.shape == (2, 2, 8, 9) and scores.isfinite().all()
            found.append(scores)
    for index, scores in enumerate(found):
        assert not any(torch.allclose(scores, other) for other in found[:index])


def _model(**settings):
    ks, attn = settings.pop('ks', 0.0), settings.pop('attn', False)
    backbone = dict(type='ClipViT', arch=DEEP, fidelity='clip', **settings.pop('backbone', {}))
    return MaskClip(backbone=backbone, decode_head=dict(
        type='MaskClipHead', num_classes=2, text_channels=32, ks_thresh=ks,
        attn_pooling=attn),
        test_cfg=dict(mode='whole'),
        **settings)


@cases('make, words', [
    (lambda: _tower(dict(type='AttentionReadout', pairs='kv')), 'expected one or several of'),
    (lambda: _tower(dict(type='AttentionReadout', pairs='bias')), 'needs a bias'),
    (lambda: _tower(dict(type='AttentionReadout', bias=dict(sigma=0))), 'bias.sigma'),
    (lambda: _tower(dict(type='AttentionReadout', bias=5.0)), r'expected dict\(sigma=5.0\)'),
    (lambda: _tower(dict(type='AttentionReadout', combine='max')), "'sum', 'mean'"),
    (lambda: _tower(dict(type='AttentionReadout', last=13)), 'at most 12'),
    (lambda: _tower(dict(type='AttentionReadout', middle=dict(blocks=(6, 13)))),
     'blocks from 1 to 12'),
    (lambda: _tower(dict(type='AttentionReadout', middle=dict(block=6))), 'middle is'),
    (lambda: _tower(dict(type='DualPathReadout', blocks=13)), 'at most 12'),
    (lambda: _tower(dict(type='DualPathReadout', attention='kk')), "'gem', 'vv'"),
    (lambda: _tower(dict(type='CalibratedReadout', levels=(4, 12))), 'the last one'),
    (lambda: _tower(dict(type='CalibratedReadout', levels=(5, 4))), r'such as \(4, 10\)'),
    (lambda: _tower(METHODS['scclip']).dense(_images(1, 3, 40, 48)), 'the grid of this image'),
    (lambda: _tower(None, positions='cubic'), 'positions is'),
    (lambda: _tower(None, pad='top'), 'pad is'),
    (lambda: _tower(None, stored_grid=(32,)), 'stored_grid is'),
    (lambda: ClipResNet(arch='TinyRN', readout=METHODS['naclip']), 'ResNet of CLIP has no blocks'),
    (lambda: _model(backbone=dict(readout=METHODS['naclip']), feedback=dict(weight=2)),
     'feedback.weight'),
    (lambda: _model(feedback=dict()), 'compares no queries, keys or values'),
    (lambda: _model(backbone=dict(readout=dict(METHODS['nonly'], pairs=('v', 'bias'))),
                    feedback=dict()), 'compares no queries, keys or values'),
    (lambda: _model(backbone=dict(readout=METHODS['naclip']), feedback=dict(dilations=())),
     'dilations is'),
    (lambda: _model(backbone=dict(readout=METHODS['naclip']), feedback=dict(), attn=True),
     'attn_pooling reads CLIP as it is'),
    (lambda: _model(backbone=dict(readout=METHODS['gem']), feedback=dict()),
     'with an AttentionReadout'),
    (lambda: _model(views=dict(share=0.5)), 'model.views is'),
])
def test_bad_settings_are_one_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_an_image_without_a_whole_patch_is_one_that_a_run_leaves_out():
    with pytest.raises(TooSmallError, match='no whole patch'):
        _tower(None, pad='drop').dense(_images(1, 3, 7, 48))
