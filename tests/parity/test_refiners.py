"""The refiners after the scores against recorded outputs of the official code."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.ops import (
    BackgroundRule,
    HeldScores,
    background_labels,
    background_probabilities,
    close_labels,
    pamr,
    pool_queries,
)

from helpers.cases import cases
from helpers.recordings import read

PAMR = read('pamr')
HEAD = read('head_postprocess')
# Logit scale, prob_thd, area_thd; the first two have ten classes of one name each.
SETTINGS = {'plain': (40, 0, 0), 'area_plain': (40, 0, 0.1), 'synonyms': (40, 0, 0),
            'synonyms_prob': (30, 0.42, 0), 'synonyms_prob_area': (30, 0.35, 0.12)}


@cases('case', sorted(key for key in PAMR if '/it' in key))
def test_pamr_equals_the_recording(case):
    name, settings = case.split('/')
    iterations, dilations = settings.split('_d')
    image, masks = (torch.from_numpy(PAMR[key]) for key in ('img', name))
    # Upstream resizes a smaller map by itself; here maps have the size of the picture.
    masks = F.interpolate(masks, image.shape[2:], mode='bilinear', align_corners=True)
    expected = torch.from_numpy(PAMR[case])
    for picture, scores, wanted in zip(image, masks, expected):
        for chunk_bytes in (1, None):
            found = pamr(scores.clone(), picture, int(iterations[2:]),
                         [int(step) for step in dilations.split('-')], chunk_bytes)
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def _classes(case):
    """Maps, probabilities of tiles, and the rule of a recorded case."""
    scale, prob_thd, area_thd = SETTINGS[case]
    row_class = torch.from_numpy(HEAD['query_idx'])
    if case.endswith('plain'):
        row_class = torch.arange(len(row_class))
    classes = int(row_class.max()) + 1
    rule = BackgroundRule(classes, 0, (0,), prob_thd, area_thd)
    return ([HeldScores(torch.from_numpy(HEAD['logits'])[0])],
            lambda tile: pool_queries((scale * tile).softmax(-1), row_class, classes), rule)


@pytest.mark.parametrize('side', [8, 64])
@pytest.mark.parametrize('case', SETTINGS)
def test_labels_and_probabilities_equal_the_recording(case, side, monkeypatch):
    """In one tile and in several; the recorded probabilities are those before ``prob_thd``."""
    from mmseg_maskclip.ops import label_maps
    monkeypatch.setattr(label_maps, '_tile_side', lambda *_: side)
    maps, probabilities, rule = _classes(case)
    labels, best, removed = background_labels(maps, probabilities, rule)
    assert labels.equal(torch.from_numpy(HEAD[f'{case}/pred']).long())
    expected = torch.from_numpy(HEAD[f'{case}/probs'])
    found = probabilities(maps[0].tile(0, 24, 0, 30)).permute(2, 0, 1)
    if removed is not None:
        assert removed.any()
        found = found.masked_fill(removed[:, None, None], 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(best, expected.amax(0), rtol=0, atol=1e-5)
    given = background_probabilities(maps, probabilities, rule, rule.num_classes)
    assert given.argmax(0).equal(labels)
    sure = best >= rule.prob_thd
    torch.testing.assert_close(given[:, sure], expected[:, sure], rtol=0, atol=1e-5)


def test_closing_equals_the_recording():
    labels = torch.from_numpy(HEAD['synonyms_prob_area/pred']).long()
    expected = torch.from_numpy(read('head_itaclip')['closing/pred']).long()
    assert not labels.equal(expected)
    assert close_labels(labels, 3, none=255).equal(expected)
