"""What the class weight makes of a training step, from the formulas and the host's own loss."""

import mmcv
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.tinyworld import CLASSES

from helpers.students import student_config

TAU = 0.1
CROP = (128, 160)
TEACHER = dict(type='MaskClip', clip_checkpoint=get_spec('TinyRN').weights,
               backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
               decode_head=dict(type='MaskClipHead', num_classes=len(CLASSES), text_channels=128,
                                vocabulary=list(CLASSES)), test_cfg=dict(mode='whole'))


@pytest.fixture(scope='module')
def batch(tiny_world):
    """Two crops, the files they are from, and labels that say nothing."""
    files = sorted((tiny_world / 'JPEGImages').glob('val_*.jpg'))[:2]
    pixels = np.stack([mmcv.imread(str(file), channel_order='rgb') for file in files])
    crops = torch.from_numpy(pixels[:, 40:40 + CROP[0], 60:60 + CROP[1]]).permute(0, 3, 1, 2)
    return ((crops.float() - 118) / 58, [dict(filename=str(file)) for file in files],
            torch.full((2, 1, *CROP), -1))


def _student(background, labelling, **weight):
    torch.manual_seed(0)
    model = build_model(student_config(
        teacher=TEACHER, labelling=labelling, num_classes=len(CLASSES) + background,
        text_channels=128, cls_bg=background, vocabulary=list(CLASSES),
        model=dict(class_weight=dict(classifier='TinyRN', tau=TAU, **weight))), training=True)
    model.init_weights()
    model.iteration = 1
    return model.train()


def _weighted(scores, cosines, mode, scale):
    """K softmax(cos / tau) times the scores, or its logarithm over the scale on top of them."""
    weight = scores.shape[1] * (cosines / TAU).softmax(dim=1)[:, :, None, None]
    return scores * weight if mode == 'softmax' else scores + weight.log() / scale


def _resized(scores):
    return F.interpolate(scores, CROP, mode='bilinear', align_corners=False)


@torch.no_grad()
def _loss(scores, candidates, classes):
    """Of scores (B, K, h, w) held to the best of the candidates (B, C, h, w) of C classes."""
    labels = torch.tensor(classes)[_resized(candidates).argmax(dim=1)]
    return F.cross_entropy(_resized(scores), labels)


@pytest.mark.parametrize('background', [False, True])
@pytest.mark.parametrize('mode', ['softmax', 'log_prior'])
def test_teachers_labels_are_weighted_among_the_classes_it_may_give(batch, mode, background):
    """Zero-shot: columns 2, 5, 9 and 12 of the text embeddings are all there is to choose from."""
    texts = [2, 5, 9, 12]
    classes = [index + background for index in texts]
    model = _student(background, dict(clip_guided=(1, -1), clip_classes=classes), mode=mode,
                     on='teacher')
    crops, metas, labels = batch
    loss = model.forward_train(crops, metas, labels)['decode.loss_ce']
    cosines = model.prior_of(None, metas)[:, texts]
    plain = model.teacher.decode_head(model.teacher.extract_feat(crops))[:, texts]
    own = model.decode_head(model.extract_feat(crops))
    expected = _loss(own, _weighted(plain, cosines, mode, scale=100), classes)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)
    assert abs(loss - _loss(own, plain, classes)) > 1e-3


@pytest.mark.parametrize('background', [False, True])
@pytest.mark.parametrize('mode', ['softmax', 'log_prior'])
def test_own_labels_and_the_scores_they_are_for_are_weighted(batch, mode, background):
    classes = [3, 6, 10, 13]
    model = _student(background, dict(self_train=(1, -1), self_classes=classes), mode=mode,
                     on='student')
    crops, metas, labels = batch
    loss = model.forward_train(crops, metas, labels)['decode.loss_ce']
    plain = model.decode_head(model.extract_feat(crops))
    words = _weighted(plain[:, int(background):], model.prior_of(None, metas), mode, scale=1)
    own = torch.cat([plain[:, :int(background)], words], dim=1)
    torch.testing.assert_close(loss, _loss(own, own[:, classes], classes), rtol=1e-4, atol=0)
    assert abs(loss - _loss(own, plain[:, classes], classes)) > 1e-3
