"""Refiners behind the scores: every way into the model agrees with a plain computation."""

import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmseg.models import build_segmentor

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.ops import close_labels, label_maps, pamr

from helpers.cases import cases

VIT = dict(kind='vit', width=32, layers=2, heads=2, patch_size=8, image_size=32, embed_dim=16)
# Class 0 has three names, class 2 has two.
NAMES = torch.tensor([0, 0, 0, 1, 2, 2, 3])
PAMR = dict(type='Pamr', iterations=2, dilations=(1, 3))
THRESHOLDS = dict(type='Background', scale=3.0, prob_thd=0.19, area_thd=0.3, label=0)
SLIDE = dict(mode='slide', crop_size=(32, 40), stride=(20, 24))
CLOSING = dict(type='Closing', size=3)


def _bank(rows=NAMES):
    generator = torch.Generator().manual_seed(1)
    embeddings = F.normalize(torch.randn(len(rows), 16, generator=generator), dim=1)
    return TextBank(embeddings, tuple(f'c{index}' for index in range(int(rows.max()) + 1)), rows)


def _words(count=2):
    return TextBank(_bank(torch.arange(9)).embeddings[-count:], ('word', 'other')[:count])


def _model(*refine, test_cfg=None, bank=None, **head):
    torch.manual_seed(0)
    bank = bank or _bank()
    model = build_segmentor(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipViT', arch=VIT, fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=len(bank.class_names),
                         text_channels=16, **head),
        refine=list(refine), test_cfg=test_cfg or dict(mode='whole')))).model)
    words = model.decode_head.contrast_words
    model.decode_head.set_text_bank(bank, _words(len(words)) if words else None)
    return model.eval()


def _picture(*size):
    """Smooth, so that neighbours resemble each other."""
    torch.manual_seed(3)
    return F.interpolate(torch.randn(1, 3, 6, 7), size=size, mode='bicubic')


def _meta(size, ori, flip=None):
    return dict(img_shape=(*size, 3), pad_shape=(*size, 3), ori_shape=(*ori, 3),
                flip=flip is not None, flip_direction=flip, filename='x.jpg')


def _queries(image, meta, test_cfg, rows=NAMES):
    """mmseg's own scores at full size of a model with one class a query, its flip undone."""
    plain = _model(test_cfg=test_cfg, bank=_bank(torch.arange(len(rows))))
    host = super(TiledInference, plain)
    infer = host.slide_inference if test_cfg['mode'] == 'slide' else host.whole_inference
    return _unflipped(infer(image, [meta], True)[0], meta)


def _pooled(scores, rows=NAMES):
    return torch.stack([scores[rows == index].amax(0) for index in range(int(rows.max()) + 1)])


def _unflipped(picture, meta):
    if not meta['flip']:
        return picture
    return picture.flip({'horizontal': 2, 'vertical': 1}[meta['flip_direction']])


def _expected(images, metas, test_cfg, refine, rows=NAMES, label=0):
    """Labels before closing, and how close the decision was."""
    kinds = {one['type']: one for one in refine}
    found = []
    for image, meta in zip(images, metas):
        scores = _queries(image, meta, test_cfg, rows)
        if 'Pamr' in kinds:
            height, width = meta['img_shape'][:2]
            picture = F.interpolate(image[:, :, :height, :width], size=meta['ori_shape'][:2],
                                    mode='bilinear')[0]
            pamr(scores, _unflipped(picture, meta), 2, (1, 3))
        background = kinds.get('Background')
        if background:
            scores = (background['scale'] * scores).softmax(0)
        classes = _pooled(scores, rows)
        found.append(classes if background or len(images) == 1 else (100 * classes).softmax(0))
    mean = sum(found) / len(found)
    if 'Background' in kinds and kinds['Background'].get('area_thd'):
        areas = torch.bincount(mean.argmax(0).flatten(), minlength=len(mean))
        areas[0] = 0
        small = areas <= kinds['Background']['area_thd'] * areas.sum()
        small[0] = False
        assert small.any()
        mean[small] = 0
    labels = mean.argmax(0)
    best, second = mean.topk(2, dim=0).values
    tie = best - second < 1e-5
    if 'Background' in kinds:
        unsure = best < kinds['Background']['prob_thd']
        assert 0.01 < unsure.float().mean() < 0.95
        labels[unsure] = label
        tie |= (best - kinds['Background']['prob_thd']).abs() < 1e-5
    return labels, tie


def _same(labels, expected):
    wanted, tie = expected
    assert labels.shape == tuple(wanted.shape) and tie.float().mean() < 0.01
    assert ((torch.as_tensor(labels) == wanted) | tie).all()
    assert len(wanted.unique()) > 1


@pytest.mark.parametrize('refine', [(PAMR,), (THRESHOLDS,), (PAMR, THRESHOLDS)],
                         ids=['pamr', 'background', 'both'])
@cases('test_cfg, size, ori', [(dict(mode='whole'), (33, 80), (50, 75)),
                               (SLIDE, (64, 56), (40, 61))])
@torch.no_grad()
def test_labels_equal_the_plain_computation(test_cfg, size, ori, refine, monkeypatch):
    monkeypatch.setattr(label_maps, '_tile_side', lambda *_: 17)
    image, meta = _picture(*size), _meta((size[0] - 2, size[1] - 3), ori)
    _same(_model(*refine, test_cfg=test_cfg).simple_test(image, [meta])[0],
          _expected([image], [meta], test_cfg, refine))


@pytest.mark.parametrize('refine', [(PAMR,), (THRESHOLDS,), (PAMR, THRESHOLDS)],
                         ids=['pamr', 'background', 'both'])
@torch.no_grad()
def test_flips_and_scales_are_averaged_as_class_probabilities(refine):
    ori, whole = (40, 56), dict(mode='whole')
    images, metas = [], []
    for size, flip in (((40, 56), None), ((40, 56), 'horizontal'), ((80, 112), 'vertical')):
        images.append(_picture(*size))
        metas.append(_meta(size, ori, flip))
    model = _model(*refine)
    labels = model.aug_test(images, [[meta] for meta in metas])[0]
    _same(labels, _expected(images, metas, whole, refine))
    probability = model.aug_test_logits(images, [[meta] for meta in metas])[0]
    assert (probability.argmax(0) == labels).mean() > 0.999
    closing = _model(*refine, CLOSING).aug_test(images, [[meta] for meta in metas])[0]
    assert (torch.from_numpy(closing) == close_labels(torch.from_numpy(labels), 3, 255)).all()
    assert (closing != labels).any()


@cases('refine, head', [
    ((PAMR,), {}), ((THRESHOLDS,), {}), ((PAMR, THRESHOLDS), {}),
    ((dict(type='ClassPrior'), PAMR, THRESHOLDS), {}), ((dict(type='ClassPrior'),), {}),
    ((PAMR, dict(THRESHOLDS, prob_thd=0.3)), dict(ks_thresh=1.0, pd_thresh=0.02)),
    ((dict(THRESHOLDS, words=['word', 'other'], area_thd=0),), {}),
])
@torch.no_grad()
def test_all_ways_agree(refine, head):
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    model = _model(*refine, **head)
    labels = model.simple_test(image, metas)[0]
    assert labels.max() < 4 and len(set(labels.flatten())) > 1
    found = {'inference': model.inference(image, metas, rescale=True),
             'encode_decode': model.encode_decode(image, metas),
             'logits of one': torch.from_numpy(model.aug_test_logits([image], [metas])),
             'simple_test_logits': torch.from_numpy(
                 model.simple_test_logits([image], [metas]))}
    for name, scores in found.items():
        assert scores.shape == (1, 4, 40, 56), name
        assert (scores[0].argmax(0).numpy() == labels).mean() > 0.999, name
    assert (model.aug_test([image, image], [metas, metas])[0] == labels).mean() > 0.999


@torch.no_grad()
def test_without_a_background_class_pixels_get_255():
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    declared = _model(THRESHOLDS).simple_test(image, metas)[0]
    model = _model(dict(THRESHOLDS, label='none', area_thd=0))
    labels = model.simple_test(image, metas)[0]
    sure = _model(dict(THRESHOLDS, prob_thd=0, area_thd=0)).simple_test(image, metas)[0]
    assert set(labels[labels != sure]) == {255} and (labels == 255).any()
    assert (model.inference(image, metas, True)[0].sum(0).numpy() == 0)[labels == 255].all()
    assert not (declared == 255).any()
    # Every class is small: nothing is left but none.
    alone = _model(dict(type='Background', area_thd=1.0, label='none'))
    assert (alone.simple_test(image, metas)[0] == 255).all()


@torch.no_grad()
def test_contrast_words_compete_and_win_for_the_background():
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    rows = torch.cat([NAMES, torch.tensor([4, 4])])
    best = _queries(image, metas[0], dict(mode='whole'), rows).argmax(0).numpy()
    wins = best >= len(NAMES)
    assert 0.05 < wins.mean() < 0.95
    expected = rows.numpy()[best]
    for label, given in ((None, 255), ('none', 255), (2, 2)):
        model = _model(dict(type='Background', words=['word', 'other'], label=label))
        expected[wins] = given
        assert (model.simple_test(image, metas)[0] == expected).mean() > 0.999
        assert model.decode_head.num_classes == 4


@torch.no_grad()
def test_class_prior_comes_from_the_whole_image():
    """Feature surgery on the grid: whole, and of all windows alike."""
    image, metas = _picture(64, 56), [_meta((64, 56), (64, 56))]
    model = _model(dict(type='ClassPrior'))
    token = F.normalize(model.backbone.encode_image(image), dim=1)
    text = model.decode_head.text
    prior = 2 * token @ text.embeddings.T
    weights = prior.softmax(1) * len(NAMES)
    scores = text.query_scores(model.extract_feat(image).features) * weights[:, :, None, None]
    scores = scores - scores.mean(1, keepdim=True)
    torch.testing.assert_close(model.score_grid(image, metas)[0], _pooled(scores[0]))
    sliding, encoded = _model(dict(type='ClassPrior'), test_cfg=SLIDE), []
    encode = sliding.backbone.encode_image
    sliding.backbone.encode_image = lambda img: encoded.append(img.shape) or encode(img)
    sliding.simple_test(image, metas)
    assert encoded == [image.shape]
    window = image[:, :, :32, :40]
    found = sliding.score_grid(window, metas, None, sliding.token_of(image))
    plain = text.query_scores(sliding.extract_feat(window).features) * weights[:, :, None, None]
    plain = plain - plain.mean(1, keepdim=True)
    torch.testing.assert_close(found[:, 1], plain[:, 3])


@torch.no_grad()
def test_grid_may_go_to_the_image_in_one_step():
    image, ori = _picture(41, 56), (90, 75)
    whole = dict(mode='whole')
    grid = _model().score_grid(image, [])
    direct = F.interpolate(grid, size=ori, mode='bilinear')[0]
    labels = _model(test_cfg=dict(whole, direct_resize=True)).simple_test(
        image, [_meta((41, 56), ori)])[0]
    assert (direct.argmax(0).numpy() == labels).mean() > 0.999
    assert (_model().simple_test(image, [_meta((41, 56), ori)])[0] != labels).any()


@torch.no_grad()
def test_smoothed_scores_are_probabilities_already():
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    model = _model(dict(type='Background', scale=3.0), ks_thresh=1.0)
    queries = F.interpolate(model.score_grid(image, metas), size=(40, 56), mode='bilinear')[0]
    shifted = queries - queries.amin(0)
    torch.testing.assert_close(model.inference(image, metas, True)[0],
                               _pooled(shifted / shifted.sum(0)), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_other_classes_have_other_queries():
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    bank = _bank(torch.tensor([0, 1, 1, 2]))
    model = _model(PAMR)
    model.simple_test(image, metas)
    model.replace_classes(bank)
    assert (model.simple_test(image, metas)[0] == _model(PAMR, bank=bank).simple_test(
        image, metas)[0]).all()


@pytest.mark.parametrize('refine', [(), (PAMR,)], ids=['plain', 'pamr'])
@torch.no_grad()
def test_scores_of_a_towers_padding_are_cut_off(refine):
    """Padded here by hand, the same as a picture of that size whose border is cut off."""
    image, padding = _picture(40, 56), (3, 5)
    padded = F.pad(image, (*padding, *padding))
    model = _model(*refine)
    dense = model.backbone.dense
    model.backbone.dense = lambda img, **flags: dense(F.pad(img, (*padding, *padding)), **flags)
    model.backbone.score_padding = lambda size: padding
    bank = _bank(torch.arange(7)) if refine else None
    scores = F.interpolate(_model(bank=bank).score_grid(padded, []), size=padded.shape[2:],
                           mode='bilinear')[0, :, 3:-5, 3:-5].contiguous()
    if refine:
        pamr(scores, image[0], 2, (1, 3))
        scores = _pooled(scores)
    expected = scores
    torch.testing.assert_close(model.encode_decode(image, [])[0], expected)
    labels = model.simple_test(image, [_meta((40, 56), (40, 56))])[0]
    assert (expected.argmax(0).numpy() == labels).mean() > 0.999


@torch.no_grad()
def test_only_pamr_holds_scores_at_image_size(monkeypatch):
    """Of others the largest tensor is a tile."""
    held = []
    from mmseg_maskclip.models.segmentors import refined_inference as module
    monkeypatch.setattr(module, 'HeldScores', lambda values: held.append(values.shape))
    image, metas = _picture(40, 56), [_meta((40, 56), (40, 56))]
    for refine in ((), (THRESHOLDS,), (dict(type='ClassPrior'), THRESHOLDS, CLOSING)):
        _model(*refine).simple_test(image, metas)
    assert held == []
    with pytest.raises(AttributeError):
        _model(PAMR).simple_test(image, metas)
    assert held == [(7, 40, 56)]
