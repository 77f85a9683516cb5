"""Settings of refiners, and what acts on the score grid before them."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.models.class_weight.module import ClassWeight
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings
from mmseg_maskclip.models.decode_heads import MaskClipHead
from mmseg_maskclip.models.refiners import Closing, QueryClasses, Refiners
from mmseg_maskclip.ops import pamr, smooth_keys
from mmseg_maskclip.ops.refiners import SUPPRESSED
from mmseg_maskclip.ops.refiners.pamr import pamr_affinity
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

ROWS = torch.tensor([0, 0, 1, 3, 2])


@cases('refine, words', [
    (dict(type='Pamr'), 'expected a list such as'),
    (['Pamr'], 'expected a list such as'),
    ([dict(type='Pamir')], "type 'Pamir', expected some of ClassPrior, Pamr, Background, Closing"),
    ([dict(iterations=3)], 'type None'),
    ([dict(type='Background'), dict(type='Pamr')], r'\[Background, Pamr\], expected.*this order'),
    ([dict(type='Pamr'), dict(type='Pamr')], 'each at most once'),
    ([dict(type='Pamr', iterations=0)], 'iterations is 0.*leave Pamr out'),
    ([dict(type='Pamr', dilations=8)], 'dilations is 8, expected different whole numbers'),
    ([dict(type='Pamr', dilations=[])], r'dilations is \[\]'),
    ([dict(type='Pamr', dilations=[8, 8])], 'different'),
    ([dict(type='Pamr', dilations=[0, 8])], 'a distance of dilations is 0'),
    ([dict(type='ClassPrior', tau=0)], 'tau is 0'),
    ([dict(type='Closing', size=4)], 'size is 4, expected an odd'),
    ([dict(type='Closing', size=1)], 'size is 1'),
    ([dict(type='Background', scale=0)], 'scale is 0'),
    ([dict(type='Background', prob_thd=2, label=0)], 'prob_thd is 2'),
    ([dict(type='Background', area_thd=-1, label=0)], 'area_thd is -1'),
    ([dict(type='Background', prob_thd=0.1)], "none is declared: set label to .*label='none'"),
    ([dict(type='Background', area_thd=0.1)], 'none is declared'),
    ([dict(type='Background', label='sky')], "label is 'sky'.*'none'"),
    ([dict(type='Background', label=True)], 'label is True'),
    ([dict(type='Background', words=5)], 'words is 5'),
])
def test_wrong_settings_are_one_sentence(refine, words):
    with pytest.raises(InputError, match=words):
        Refiners(refine)


def test_background_is_checked_against_the_number_of_classes():
    for count, settings, words in ((3, dict(label=3), 'label=3, expected 0 to 2'),
                                   (256, dict(label='none'), '255, which is one of 256 classes'),
                                   (256, dict(words=['sky']), 'which is one of 256')):
        background = Refiners([dict(type='Background', **settings)]).background
        with pytest.raises(InputError, match=words):
            background.check(count)
        background.check(count - 1 if count > 3 else 4)


def test_one_pixel_has_no_neighbours():
    refiner = Refiners([dict(type='Pamr')]).pamr
    with pytest.raises(InputError, match='the picture has one pixel alone'):
        refiner(torch.zeros(2, 1, 1), torch.zeros(3, 1, 1))
    row = torch.tensor([[[0.0, 1.0]]])
    assert refiner(row.clone(), torch.zeros(3, 1, 2)).isfinite().all()


def test_pamr_keeps_what_is_flat_and_stays_within_the_values():
    """Weights add up to 1 whatever the picture, a flat one included."""
    torch.manual_seed(0)
    for picture in (torch.zeros(3, 9, 11), 1e4 + torch.rand(3, 9, 11), torch.randn(3, 9, 11)):
        affinity = pamr_affinity(picture, (2, 30))
        torch.testing.assert_close(affinity.sum(0), torch.ones(9, 11))
        scores = torch.stack([torch.full((9, 11), 0.3), torch.rand(9, 11)])
        low, high = scores[1].min(), scores[1].max()
        found = pamr(scores.clone(), picture, 3, (2, 30))
        torch.testing.assert_close(found[0], scores[0])
        assert low <= found[1].min() and found[1].max() <= high and not found.equal(scores)
    with pytest.raises(ValueError, match='float32'):
        pamr(torch.zeros(1, 9, 11).half(), torch.zeros(3, 9, 11))


def test_closing_by_hand():
    """A maximum, then a minimum of 3x3; what is none neither grows nor shrinks anything."""
    labels = torch.tensor([[3, 0, 3, 0, 0, 0, 2, 0, 0, 0]])
    assert Closing()(labels).tolist() == [[3, 3, 3, 0, 0, 0, 2, 0, 0, 0]]
    torch.manual_seed(0)
    parts = torch.randint(5, (2, 7, 6))
    whole = torch.cat([parts[0], torch.full((7, 1), 255), parts[1]], 1)
    # As if it were outside the picture.
    for side, part in zip((Closing()(whole)[:, :6], Closing()(whole)[:, 7:]), parts):
        assert side.equal(Closing()(part)) and not side.equal(part)
    assert Closing()(whole)[:, 6].eq(255).all()
    alone = torch.full((4, 5), 255)
    assert Closing(size=5)(alone).equal(alone)
    assert Closing()(torch.tensor([[255, 7, 255]])).tolist() == [[255, 7, 255]]


def test_query_weighs_as_its_class_does():
    """And a contrast word not at all."""
    torch.manual_seed(0)
    scores, cosines = torch.randn(2, 5, 3, 4), torch.rand(2, 3)
    for mode in ('softmax', 'gate', 'log_prior'):
        weight = ClassWeight.__new__(ClassWeight)
        torch.nn.Module.__init__(weight)
        weight.settings = ClassWeightSettings(mode=mode, tau=0.2, cw=1.7, threshold=0.5)
        found = weight(scores, cosines, scale=10.0, row_class=ROWS)
        for query, index in enumerate(ROWS.tolist()):
            if index == 3:
                expected = scores[:, query]
            else:
                full = scores[:, [query]].expand(-1, 3, -1, -1)
                expected = weight(full, cosines, scale=10.0)[:, index]
            torch.testing.assert_close(found[:, query], expected)


def test_denoising_removes_classes_with_all_of_their_queries():
    """Names share the probability of their class, which is confident by the best of them."""
    head = MaskClipHead(3, 16, pd_thresh=0.6, ks_thresh=1.0)
    queries = QueryClasses.of_bank(ROWS, 3, None)
    scores = torch.tensor([0.30, 0.30, 0.20, 0.19, 0.18]).view(1, 5, 1, 1).repeat(1, 1, 1, 2)
    keys = F.normalize(torch.ones(1, 2, 4), dim=2)
    kept = scores.clone()
    kept[:, 2:] = SUPPRESSED
    torch.testing.assert_close(head.refine(scores, keys, queries), smooth_keys(kept, keys, 1.0))


def test_queries_of_candidates():
    found = QueryClasses.of_candidates(ROWS, 3, (2, 0), None)
    assert (found.rows.tolist(), found.row_class.tolist()) == ([0, 1, 3, 4], [1, 1, 2, 0])
    assert (found.num_classes, found.width, found.background, found.spared) == (2, 3, 2, (2,))
    # The background competes, and is the foreground of no image.
    found = QueryClasses.of_candidates(ROWS, 3, (2, 0), 1)
    assert (found.rows, found.row_class.tolist()) == (None, [1, 1, 2, 2, 0])
    assert QueryClasses.of_candidates(ROWS, 3, (2, 0), 0).spared == (1, 2)
    assert QueryClasses.of_bank(torch.arange(3), 3, 0).plain
    assert not QueryClasses.of_bank(torch.arange(4), 3, 0).plain
