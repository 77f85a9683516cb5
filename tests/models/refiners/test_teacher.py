"""A teacher with refiners: what falls to the background stays unlabelled."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.ops import pamr
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.students import CLASSES, random_bank, student_config, teacher_config

PAMR = dict(type='Pamr', iterations=2, dilations=(1, 3))
WORDS = TextBank(random_bank(CLASSES + 2).embeddings[CLASSES:], ('a', 'b'))
METAS = [dict(filename=f'{index}.jpg') for index in range(2)]


def _student(*refine, labelling=None, model=None, test_cfg=None, **head):
    teacher = dict(teacher_config(), refine=list(refine),
                   test_cfg=test_cfg or dict(mode='whole'))
    torch.manual_seed(0)
    built = build_model(student_config(
        teacher=teacher, labelling=dict(clip_guided=(1, -1), **(labelling or {})),
        model=model, **head), training=True)
    built.decode_head.set_text_bank(random_bank())
    own = built.teacher.decode_head
    own.set_text_bank(random_bank(), WORDS if own.contrast_words else None)
    built.iteration = 1
    return built.train()


def _images():
    torch.manual_seed(4)
    return F.interpolate(torch.randn(2, 3, 8, 8), size=(48, 64), mode='bicubic')


def _labels(model):
    labels = torch.full((2, 48, 64), -1)
    labels[:, :2], labels[:, 2:4] = 255, int(model.decode_head.background)
    model.labeller.unlabelled_classes = ()
    model.labeller._tables.clear()
    found, share = model.label_unlabelled(labels, _images(), METAS, torch.zeros(2, 16, 6, 8))
    assert found[:, :4].equal(labels[:, :4])
    assert share == (found != labels).float().mean()
    return found[:, 4:]


def _scores(model, rows=None):
    """The teacher's cosines at the size of the images, (2, R, 48, 64)."""
    dense = model.teacher.extract_feat(_images(), whole=True)
    grid = model.teacher.decode_head.text.query_scores(dense.features)
    grid = grid if rows is None else grid[:, rows]
    return F.interpolate(grid, size=(48, 64), mode='bilinear')


def _same(found, expected, sure):
    assert (found == expected[:, 4:])[sure[:, 4:]].all() and sure.float().mean() > 0.99
    assert len(expected[:, 4:].unique()) > 2


@cases('cls_bg', [False, True])
@torch.no_grad()
def test_unsure_pixels_stay_unlabelled(cls_bg):
    """With a background of the student's own, too: class 0 is for labels that say so."""
    background = dict(type='Background', scale=3.0, prob_thd=0.24, area_thd=0.1, label='none')
    shift = int(cls_bg)
    model = _student(PAMR, background, num_classes=CLASSES + shift, cls_bg=cls_bg,
                     labelling=dict(clip_classes=list(range(shift, CLASSES + shift))))
    scores = _scores(model).contiguous()
    for one, picture in zip(scores, _images()):
        pamr(one, picture, 2, (1, 3))
    probability = (3 * scores).softmax(1)
    expected = torch.empty(2, 48, 64, dtype=torch.long)
    for index, one in enumerate(probability):
        areas = torch.bincount(one.argmax(0).flatten(), minlength=CLASSES)
        one[areas <= 0.1 * areas.sum()] = 0
        expected[index] = torch.where(one.amax(0) < 0.24, -1, one.argmax(0) + shift)
    assert 0.05 < (expected == -1).float().mean() < 0.95
    best, second = probability.topk(2, 1).values.unbind(1)
    _same(_labels(model), expected, (best - second > 1e-5) & ((best - 0.24).abs() > 1e-5))
    assert not cls_bg or (_labels(model) != 0).all()


@torch.no_grad()
def test_candidates_compete_with_contrast_words_and_the_background_alone():
    """Classes 1 and 4 may be given; class 0 is the background, 2 and 3 are not looked at."""
    model = _student(dict(type='Background', label=0, words=['a', 'b']),
                     labelling=dict(clip_classes=[4, 1]))
    rows = [0, 1, 4, *range(CLASSES, CLASSES + 2)]
    scores = _scores(model, rows)
    given = torch.tensor([-1, 1, 4] + [-1] * 2)
    best, second = scores.topk(2, 1).values.unbind(1)
    expected = given[scores.argmax(1)]
    assert (scores.argmax(1) == 0).any() and (scores.argmax(1) > 2).any()
    _same(_labels(model), expected, best - second > 1e-6)
    # Where the student has the background as a class of its text, its names may win it.
    model = _student(dict(type='Background', label=0, words=['a', 'b']))
    scores = _scores(model)
    best, second = scores.topk(2, 1).values.unbind(1)
    expected = scores.argmax(1)
    assert (expected == 0).any()
    _same(_labels(model), expected.where(expected < CLASSES, torch.tensor(-1)),
          best - second > 1e-6)


@torch.no_grad()
def test_least_score_is_that_of_what_is_refined():
    labels = _labels(_student(dict(type='Background', scale=3.0)))
    model = _student(dict(type='Background', scale=3.0), labelling=dict(conf_thresh=0.24))
    best = (3 * _scores(model)).softmax(1).amax(1)[:, 4:]
    expected = labels.where(best >= 0.24, torch.tensor(-1))
    assert 0.05 < (expected == -1).float().mean() < 0.95
    assert (_labels(model) == expected).float().mean() > 0.999


@torch.no_grad()
def test_prior_is_that_of_the_crop_whatever_the_teacher_is_tested_with():
    prior = dict(type='ClassPrior', tau=0.05)
    slide = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    model = _student(prior, test_cfg=slide, labelling=dict(clip_classes=[0, 2, 3]))
    text = model.teacher.decode_head.text
    tokens = F.normalize(model.teacher.backbone.encode_image(_images()), dim=1)
    rows = [0, 2, 3]
    weights = (20 * tokens @ text.embeddings[rows].T).softmax(1) * 3
    scores = _scores(model, rows) * weights[:, :, None, None]
    best, second = scores.topk(2, 1).values.unbind(1)
    _same(_labels(model), torch.tensor(rows)[scores.argmax(1)], best - second > 1e-6)
    plain = _labels(_student(labelling=dict(clip_classes=[0, 2, 3])))
    assert (plain != _labels(model)).any()


@pytest.mark.parametrize('refine', [(), (PAMR,)], ids=['plain', 'pamr'])
@torch.no_grad()
def test_padding_of_a_tower_is_cut_off(refine):
    model, padding = _student(*refine), (3, 5)
    dense = model.teacher.backbone.dense
    model.teacher.backbone.dense = lambda img, **flags: dense(
        F.pad(img, (*padding, *padding)), **flags)
    model.teacher.backbone.score_padding = lambda size: padding
    grid = model.teacher.decode_head.text(model.teacher.extract_feat(_images()).features)
    scores = F.interpolate(grid, size=(56, 72), mode='bilinear')[:, :, 3:-5, 3:-5].contiguous()
    for one, picture in zip(scores if refine else (), _images()):
        pamr(one, picture, 2, (1, 3))
    best, second = scores.topk(2, 1).values.unbind(1)
    _same(_labels(model), scores.argmax(1), best - second > 1e-6)


def test_a_step_trains_on_refined_labels():
    model = _student(dict(type='ClassPrior'), PAMR, dict(type='Background', label='none',
                                                         scale=3.0, prob_thd=0.22))
    losses = model.forward_train(_images(), METAS, torch.full((2, 1, 48, 64), -1))
    assert 0.05 < losses['decode.filled_clip'] < 1
    losses['decode.loss_ce'].backward()
    assert all(one.grad is None for one in model.teacher.parameters())


def test_closing_is_refused():
    with pytest.raises(InputError, match='larger label ids grow.*model.teacher.refine'):
        _student(dict(type='Closing'))
