"""Every way into a segmentor gives the same labels: one path, priors and refinements included."""

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.utils import InputError

from helpers.students import build_student

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def _maskclip(mode='whole', weight=None, **head):
    model = build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128,
                         vocabulary=list(CLASSES), **head),
        class_weight=weight, test_cfg=dict(mode=mode, crop_size=(128, 128), stride=(96, 96))))))
    load_weights(model, get_spec('TinyRN').weights)
    return model.eval()


@pytest.fixture(scope='module')
def sample(tiny_world):
    path = str(min((tiny_world / 'JPEGImages').glob('val_*.jpg')))
    pixels = np.asarray(Image.open(path).convert('RGB'), np.float32)
    image = torch.from_numpy((pixels - MEAN) / STD).float().permute(2, 0, 1)[None]
    return image, [dict(filename=path, ori_shape=pixels.shape, img_shape=pixels.shape, flip=False)]


LOG_PRIOR = dict(classifier='TinyRN', mode='log_prior', tau=0.02)


@pytest.mark.parametrize(('mode', 'weight', 'head'), [
    ('whole', LOG_PRIOR, {}), ('slide', LOG_PRIOR, {}), ('whole', None, dict(ks_thresh=1.0)),
    ('whole', LOG_PRIOR, dict(pd_thresh=0.5, ks_thresh=1.0))])
@torch.no_grad()
def test_all_ways_agree(mode, weight, head, sample):
    image, metas = sample
    model = _maskclip(mode, weight, **head)
    labels = model.simple_test(image, metas)[0]
    probability = model.inference(image, metas, rescale=True)
    torch.testing.assert_close(probability.sum(1), torch.ones_like(probability[:, 0]))
    found = {'inference': probability[0].argmax(0).numpy(),
             'aug_test': model.aug_test([image, image], [metas, metas])[0],
             'aug_test_logits': model.aug_test_logits([image], [metas])[0].argmax(0),
             'simple_test_logits': model.simple_test_logits([image], [metas])[0].argmax(0)}
    if mode == 'whole':
        found['encode_decode'] = model.encode_decode(image, metas)[0].argmax(0).numpy()
    for name, other in found.items():
        assert (other == labels).mean() > 0.9999, name


@torch.no_grad()
def test_class_weight_shows_in_every_way(sample):
    image, metas = sample
    weighted, plain = _maskclip(weight=LOG_PRIOR), _maskclip()
    for way in ('inference', 'encode_decode'):
        arguments = (image, metas, True) if way == 'inference' else (image, metas)
        one, other = (getattr(model, way)(*arguments).argmax(1) for model in (weighted, plain))
        assert (one != other).float().mean() > 0.01, way


@torch.no_grad()
def test_probabilities_are_clips_own(sample):
    """softmax(100 cos): at the temperature CLIP was trained with a confident pixel looks it."""
    image, metas = sample
    model = _maskclip()
    probability = model.inference(image, metas, rescale=False)
    scores = model.encode_decode(image, metas)
    torch.testing.assert_close(probability, (100 * scores).softmax(1), rtol=1e-3, atol=1e-4)
    assert probability.amax(1).mean() > 0.5


def test_smoothed_scores_are_shifted_to_zero_and_normalised():
    """Keys that point away from each other make a score negative; equal scores say nothing."""
    scores = torch.tensor([[-1.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    expected = torch.tensor([[0, 1 / 3, 2 / 3], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(_maskclip(ks_thresh=1.0).probabilities(scores), expected)


@torch.no_grad()
def test_students_probabilities_are_the_softmax_of_its_logits():
    model = build_student().eval()
    image = torch.randn(1, 3, 64, 64)
    metas = [dict(filename='x.jpg', ori_shape=(64, 64, 3), img_shape=(64, 64, 3), flip=False)]
    torch.testing.assert_close(model.inference(image, metas, rescale=True),
                               model.encode_decode(image, metas).softmax(1),
                               rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_every_flip_is_undone_or_refused(sample):
    """A mirrored picture gives the labels of the picture, whatever the direction."""
    image, metas = sample
    model = _maskclip()
    for direction, dims in (('horizontal', (3,)), ('vertical', (2,)), ('diagonal', (2, 3))):
        flipped = [dict(metas[0], flip=True, flip_direction=direction)]
        labels = model.simple_test(image.flip(dims), flipped)[0]
        undone = torch.from_numpy(model.simple_test(image.flip(dims), metas)[0]).flip(
            tuple(dim - 2 for dim in dims))
        assert (labels == undone.numpy()).mean() > 0.999, direction
    with pytest.raises(InputError, match="flip_direction is 'around'"):
        model.simple_test(image, [dict(metas[0], flip=True, flip_direction='around')])
