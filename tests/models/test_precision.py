"""Half precision may speed the towers up; it must not decide the labels."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models import MaskClipHead
from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map

CLASSES, WIDTH = 171, 64


def _close_scores():
    """Features and texts whose cosines lie as close together as CLIP's."""
    torch.manual_seed(0)
    common = F.normalize(torch.randn(1, WIDTH), dim=1)
    texts = F.normalize(2.0 * common + 0.1 * torch.randn(CLASSES, WIDTH), dim=1)
    features = torch.randn(1, WIDTH, 24, 24) * 0.12 + 0.3 * common[..., None, None]
    head = MaskClipHead(CLASSES, WIDTH)
    head.set_text_bank(TextBank(embeddings=texts, class_names=tuple(map(str, range(CLASSES)))))
    return head, features


def _labels(scores):
    axis = compose_resize(24, 96, 0, 96, 96, 96)
    return label_map([ScoreMap([scores[0]], [axis], [axis])])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_a_cast_model_scores_in_single_precision(dtype):
    head, features = _close_scores()
    expected = head((features.to(dtype).float(),))
    assert expected.std(dim=1).mean() < 0.1
    found = head.to(dtype)((features.to(dtype),))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    assert _labels(found).equal(_labels(expected))


@torch.no_grad()
def test_autocast_changes_no_label():
    head, features = _close_scores()
    expected = _labels(head((features,)))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert _labels(head((features,))).equal(expected)


@torch.no_grad()
def test_refinements_are_the_same_under_autocast():
    head, features = _close_scores()
    scores = head((features,))
    keys = F.normalize(torch.randn(1, 576, 32), dim=2)
    head.pd_thresh, head.ks_thresh = 0.02, 1.0
    expected = head.refine(scores, keys)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        torch.testing.assert_close(head.refine(scores, keys), expected)
