"""Scores that are activated at the size of the network input, between two resizes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmseg.models.segmentors.base import BaseSegmentor

from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.ops import ActivatedScores
from mmseg_maskclip.utils import InputError

OFFSETS = torch.tensor([0.1, 0.0, 0.1, 0.0, 0.0])
PAD, CELL = 4, 8


def _activation(scores):
    return scores.sigmoid() - OFFSETS


class Stub(TiledInference, BaseSegmentor):
    """Logits are block means of the picture, through a fixed matrix; grids cover padding, too."""

    align_corners = False
    activation = staticmethod(_activation)

    def __init__(self, **test_cfg):
        super().__init__()
        self.test_cfg = Config(test_cfg)
        self.mix = 4 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))

    def score_padding(self, size):
        return PAD, PAD + -size % CELL

    def score_grid(self, img, img_metas, prior=None, token=None):
        (top, bottom), (left, right) = (self.score_padding(size) for size in img.shape[2:])
        grid = F.avg_pool2d(F.pad(img, (left, right, top, bottom)), CELL)
        return torch.einsum('kc,bchw->bkhw', self.mix, grid)

    def probabilities(self, scores):
        return scores

    def extract_feat(self, imgs):
        raise NotImplementedError

    forward_train = extract_feat


SLIDE = dict(mode='slide', crop_size=(64, 64), stride=(48, 48))


def _resize(scores, size):
    return F.interpolate(scores, size=size, mode='bilinear', align_corners=False)


def _plainly(model, img, meta, places):
    """What mmseg does: each window activated, averaged, cut, mirrored back, resized."""
    total, count = torch.zeros(1, 5, *img.shape[2:]), torch.zeros(img.shape[2:])
    for top, left, height, width in places:
        window = img[:, :, top:top + height, left:left + width]
        grid = model.score_grid(window, [meta])
        pixels = _resize(grid, tuple(CELL * side for side in grid.shape[2:]))
        pixels = pixels[:, :, PAD:PAD + height, PAD:PAD + width]
        total[:, :, top:top + height, left:left + width] += (
            pixels.sigmoid() - OFFSETS.view(1, 5, 1, 1))
        count[top:top + height, left:left + width] += 1
    scores = (total / count)[:, :, :meta['img_shape'][0], :meta['img_shape'][1]]
    scores = _resize(scores, meta['ori_shape'][:2])
    return scores.flip(3) if meta['flip'] else scores


@pytest.mark.parametrize(('settings', 'size', 'places'), [
    # Two windows on either axis, the last one shifted back inside.
    (SLIDE, (100, 70), [(0, 0, 64, 64), (0, 6, 64, 64), (36, 0, 64, 64), (36, 6, 64, 64)]),
    (dict(mode='whole'), (60, 92), [(0, 0, 60, 92)])])
@pytest.mark.parametrize('flip', [False, True])
def test_windows_are_activated_before_they_are_averaged_and_resized(settings, size, places, flip):
    model = Stub(**settings)
    img = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    meta = dict(ori_shape=(81, 113, 3), img_shape=(size[0] - 7, size[1] - 3, 3), flip=flip,
                flip_direction='horizontal')
    plain = _plainly(model, img, meta, places)
    torch.testing.assert_close(model.inference(img, [meta], rescale=True), plain)
    labels = model.simple_test(img, [meta])[0]
    assert (labels == plain[0].argmax(0).numpy()).mean() > 0.999
    assert len(np.unique(labels)) > 2
    # The order matters here: the two steps at once, then the activation, is something else.
    model.activation, model.probabilities = None, _activation
    late = model.inference(img, [meta], rescale=True)
    assert (late - plain).abs().max() > 0.001


def test_scores_at_the_size_of_the_input_are_activated():
    model, img = Stub(mode='whole'), torch.randn(2, 3, 40, 56)
    meta = dict(ori_shape=(40, 56, 3), img_shape=(40, 56, 3), flip=False)
    plain = torch.cat([_plainly(model, one[None], meta, [(0, 0, 40, 56)]) for one in img])
    torch.testing.assert_close(model.encode_decode(img, [meta, meta]), plain)


def test_tiles_are_parts_of_the_whole_and_hold_no_more_than_they_read():
    largest = 0

    def activation(scores):
        nonlocal largest
        largest = max(largest, scores.numel())
        return _activation(scores)

    model, seen = Stub(**SLIDE), []
    model.activation = activation
    model.watch(lambda views, labels: seen.append(views[0].scores))
    img = torch.randn(1, 3, 256, 256)
    model.simple_test(img, [dict(ori_shape=(300, 200, 3), img_shape=(250, 256, 3), flip=False)])
    scores, = seen
    assert isinstance(scores, ActivatedScores) and scores.size == (300, 200)
    whole, largest = scores.tile(0, 300, 0, 200), 0
    torch.testing.assert_close(scores.tile(91, 131, 50, 90), whole[91:131, 50:90])
    # 40 outputs draw from 40 * 250 / 300 rows and 40 * 256 / 200 columns, and a border.
    assert 0 < largest <= 5 * 36 * 54


def test_watchers_see_the_views_and_labels_of_every_image():
    model, seen = Stub(mode='whole'), []
    model.watch(lambda views, labels: seen.append((views, labels)))
    img = torch.randn(2, 3, 40, 56)
    metas = [dict(ori_shape=(20 + index, 30, 3), img_shape=(40, 56, 3), flip=False)
             for index in range(2)]
    labels = model.simple_test(img, metas)
    assert [len(views) for views, _ in seen] == [1, 1]
    assert all((watched.numpy() == own).all() for (_, watched), own in zip(seen, labels))
    model.aug_test([img, img], [metas, metas])
    assert [len(views) for views, _ in seen[2:]] == [2, 2]
    assert seen[3][0][1].scores.size == (21, 30)


def test_a_direct_resize_would_leave_the_activation_out():
    model = Stub(mode='whole', direct_resize=True)
    meta = dict(ori_shape=(40, 40, 3), img_shape=(40, 40, 3), flip=False)
    with pytest.raises(InputError, match='direct_resize is True, expected False: .* activation'):
        model.simple_test(torch.zeros(1, 3, 40, 40), [meta])
