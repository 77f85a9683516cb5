import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmseg.models import build_segmentor

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models import MaskClip, MaskClipHead
from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

VIT = dict(kind='vit', width=32, layers=2, heads=2, patch_size=8, image_size=32, embed_dim=16)
RESNET = dict(kind='resnet', width=8, layers=(1, 1, 1, 1), heads=4, image_size=64, embed_dim=16)


def _bank(num_classes, width=16, row_class=None):
    rows = num_classes if row_class is None else len(row_class)
    embeddings = F.normalize(torch.randn(rows, width), dim=1)
    return TextBank(embeddings=embeddings, class_names=tuple(map(str, range(num_classes))),
                    row_class=row_class)


def _model(arch=VIT, num_classes=7, bank=None, test_cfg=None, **head):
    torch.manual_seed(0)
    kind = 'ClipViT' if arch['kind'] == 'vit' else 'ClipResNet'
    model = build_segmentor(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type=kind, arch=arch),
        decode_head=dict(type='MaskClipHead', num_classes=num_classes, text_channels=16, **head),
        test_cfg=test_cfg or dict(mode='whole')))).model)
    model.decode_head.set_text_bank(bank or _bank(num_classes))
    return model.eval()


def _meta(size, ori, flip=None):
    return dict(img_shape=(*size, 3), pad_shape=(*size, 3), ori_shape=(*ori, 3),
                flip=flip is not None,
                flip_direction=flip, filename='x.jpg')


def _plain(model, image, meta):
    """mmseg's own scores at full size, as probabilities, its flip undone."""
    host = super(TiledInference, model)
    infer = host.slide_inference if model.test_cfg.mode == 'slide' else host.whole_inference
    scores = infer(image, [meta], True)
    found = model.probabilities(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    if not meta['flip']:
        return found
    return found.flip(dims=(3 if meta['flip_direction'] == 'horizontal' else 2,))


def _agree(labels, probability):
    best = probability.max(1).values[0]
    chosen = probability[0].gather(0, torch.from_numpy(labels)[None])[0]
    assert labels.shape == tuple(best.shape)
    assert (best - chosen).max() < 1e-6
    assert (torch.from_numpy(labels) == probability[0].argmax(0)).float().mean() > 0.999


@cases('arch', [VIT, RESNET])
@cases('size, ori', [((64, 96), (64, 96)), ((65, 70), (133, 51)),
                     ((64, 64), (20, 200))])
@torch.no_grad()
def test_whole_equals_mmsegs_plain_way(arch, size, ori):
    model, image = _model(arch), torch.randn(1, 3, *size)
    meta = _meta(size, ori)
    _agree(model.simple_test(image, [meta])[0], _plain(model, image, meta))


@pytest.mark.parametrize('size', [(64, 96), (33, 80), (24, 24), (32, 32)])
@torch.no_grad()
def test_slide_equals_mmsegs_plain_way(size):
    model = _model(test_cfg=dict(mode='slide', crop_size=(32, 40), stride=(20, 24)))
    image, meta = torch.randn(1, 3, *size), _meta(size, (50, 75))
    _agree(model.simple_test(image, [meta])[0], _plain(model, image, meta))


@torch.no_grad()
def test_padding_of_the_network_input_is_cut_off():
    model, image = _model(), torch.randn(1, 3, 64, 96)
    meta = _meta((50, 90), (100, 180))
    _agree(model.simple_test(image, [meta])[0], _plain(model, image, meta))


@torch.no_grad()
def test_flips_and_scales_equal_mmsegs_plain_way():
    model, ori = _model(), (40, 56)
    images, metas = [], []
    for size, flip in (((40, 56), None), ((40, 56), 'horizontal'), ((80, 112), 'vertical')):
        images.append(torch.randn(1, 3, *size))
        metas.append([_meta(size, ori, flip)])
    plain = sum(_plain(model, i, m[0]) for i, m in zip(images, metas)) / 3
    _agree(model.forward_test(images, metas)[0], plain)


@torch.no_grad()
def test_batch_of_two_equals_each_alone():
    model, images = _model(), torch.randn(2, 3, 48, 64)
    meta = _meta((48, 64), (48, 64))
    both = model.simple_test(images, [meta, meta])
    for image, labels in zip(images, both):
        assert (model.simple_test(image[None], [meta])[0] == labels).mean() > 0.999


@pytest.mark.parametrize('arch', [VIT, RESNET], ids=['vit', 'resnet'])
@torch.no_grad()
def test_keys_are_computed_only_when_asked(arch, monkeypatch):
    asked = []
    for ks_thresh in (0.0, 1.0):
        model = _model(arch, ks_thresh=ks_thresh)
        original = model.backbone.normalise_keys
        monkeypatch.setattr(model.backbone, 'normalise_keys',
                            lambda keys, original=original: asked.append(1) or original(keys))
        model.simple_test(torch.randn(1, 3, 64, 64), [_meta((64, 64), (64, 64))])
        assert len(asked) == int(ks_thresh)


@torch.no_grad()
def test_last_vit_layer_runs_no_attention(monkeypatch):
    calls = []
    original = F.scaled_dot_product_attention
    monkeypatch.setattr(F, 'scaled_dot_product_attention',
                        lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    _model().backbone.dense(torch.randn(1, 3, 32, 32), keys=True)
    assert len(calls) == VIT['layers'] - 1
    calls.clear()
    _model(attn_pooling=True).extract_feat(torch.randn(1, 3, 32, 32))
    assert len(calls) == VIT['layers']


@torch.no_grad()
def test_synonyms_kept_apart_take_the_best_row():
    row_class = torch.tensor([0, 0, 1, 2])
    bank = _bank(3, row_class=row_class)
    model = _model(num_classes=3, bank=bank)
    features = torch.randn(1, 16, 2, 2)
    scores = model.decode_head((features,))
    rows = torch.einsum('bdhw,rd->brhw', F.normalize(features, dim=1), bank.embeddings)
    expected = torch.stack([rows[:, :2].amax(1), rows[:, 2], rows[:, 3]], 1)
    torch.testing.assert_close(scores, expected)


@torch.no_grad()
def test_saved_and_loaded_again(tmp_path):
    model = _model(bank=_bank(7, row_class=torch.tensor([0, 1, 2, 3, 4, 5, 6, 6])))
    fresh = _model()
    fresh.load_state_dict(model.state_dict())
    image = torch.randn(1, 3, 64, 64)
    assert fresh.score_grid(image, []).equal(model.score_grid(image, []))
    other = _model(num_classes=5)
    with pytest.raises(InputError, match='num_classes=5'):
        other.load_state_dict(model.state_dict())


def test_nothing_to_train():
    model = _model()
    assert not [p for p in model.parameters() if p.requires_grad]
    with pytest.raises(InputError, match='training-free'):
        model(return_loss=True, img=torch.randn(1, 3, 32, 32),
              img_metas=[_meta((32, 32), (32, 32))],
              gt_semantic_seg=torch.zeros(1, 1, 32, 32, dtype=torch.long))


def test_config_is_left_as_it_was():
    config = Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipViT', arch=dict(VIT)),
        decode_head=dict(type='MaskClipHead', num_classes=2, text_channels=16),
        test_cfg=dict(mode='whole'))))
    before = copy.deepcopy(config.model)
    from mmseg_maskclip.engine.build import build_model
    assert isinstance(build_model(config), MaskClip)
    assert isinstance(build_model(config), MaskClip)
    assert config.model == before


@cases('make, words', [
    (lambda: _model(ks_thresh=1.5), 'ks_thresh is 1.5'),
    (lambda: _model(pd_thresh=-1), 'pd_thresh is -1'),
    (lambda: _model(attn_pooling=True, ks_thresh=1.0), 'no keys to smooth'),
    (lambda: _model(bank=_bank(6)), 'the text bank holds 6 classes'),
    (lambda: _model(bank=_bank(7, width=32)), '32'),
    (lambda: _model(arch={**VIT, 'embed_dim': 32}), 'text_channels is 16'),
    (lambda: MaskClipHead(2, 16)((torch.randn(1, 16, 2, 2),)), 'no text embeddings yet'),
    (lambda: _model(ks_thresh=1.0).decode_head((torch.randn(1, 16, 2, 2),)), 'needs keys'),
    (lambda: _model(test_cfg=dict(mode='hole')).simple_test(
        torch.randn(1, 3, 32, 32), [_meta((32, 32), (32, 32))]), "mode is 'hole'"),
])
def test_bad_input_is_one_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()


@torch.no_grad()
def test_refinements_come_in_the_published_order():
    """Denoising first: a class it drops has no share in the smoothed probabilities."""
    head = MaskClipHead(3, 16, ks_thresh=1.0, pd_thresh=0.5)
    head.set_text_bank(_bank(3))
    scores = torch.tensor([[0.30, 0.30], [0.295, 0.28], [0.20, 0.31]]).view(1, 3, 1, 2)
    keys = F.normalize(torch.ones(1, 2, 4), dim=2)
    refined = head.refine(scores, keys)
    assert refined[0, 1].abs().max() == 0
    assert refined[0, [0, 2]].min() > 0
    alone = head.refine(scores.clone(), keys)
    assert alone.equal(refined)


def test_head_takes_dense_features_or_a_plain_sequence():
    head = MaskClipHead(3, 16)
    head.set_text_bank(_bank(3))
    features = torch.randn(1, 16, 4, 5)
    assert head((features,)).equal(head(DenseFeatures(features)))


@torch.no_grad()
def test_classes_are_scored_in_the_order_they_are_named():
    model = _model(num_classes=3)
    dense = model.extract_feat(torch.randn(1, 3, 32, 32))
    scores = model.score_classes(dense, range(3))
    for order in ([2, 0, 1], [2, 0]):
        assert torch.equal(model.score_classes(dense, order), scores[:, order])
