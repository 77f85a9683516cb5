"""One comparison of state dicts, for every kind of checkpoint."""

import pytest
import torch
from torch import nn

from mmseg_maskclip.models.weights.state_dict import (
    compare_state_dicts,
    load_exactly,
    load_fitting,
    state_dict_hash,
)
from mmseg_maskclip.utils import InputError


def _model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_equal_state_is_loaded():
    source, target = _model(), _model()
    load_exactly(target, source.state_dict(), 'a.pth', 'Fix it.')
    assert not compare_state_dicts(source.state_dict(), target.state_dict())
    assert state_dict_hash(source.state_dict()) == state_dict_hash(target.state_dict())


@pytest.mark.parametrize(('change', 'words'), [
    (lambda s: s.pop('0.weight'), r'1 of 7 parameters are missing \(such as 0.weight\)'),
    (lambda s: s.update(x=torch.ones(1)), r'1 are not expected \(such as x\)'),
    (lambda s: s.update({'0.bias': torch.ones(5)}),
     r'1 of 7 parameters are of another shape \(such as 0.bias \(5,\) instead of \(3,\)\)'),
    (lambda s: s['0.bias'].fill_(float('nan')), '1 of 7 .*NaN or infinity .such as 0.bias'),
])
def test_each_difference_is_told(change, words):
    state = {key: value.clone() for key, value in _model().state_dict().items()}
    change(state)
    with pytest.raises(InputError, match=f'a.pth does not fit: {words}.*Fix it'):
        load_exactly(_model(), state, 'a.pth', 'Fix it.')


def test_nothing_in_common_shows_what_is_there():
    difference = compare_state_dicts(_model().state_dict(), {})
    assert difference.unusable == 7 and 'it is empty' in str(difference)


def test_what_fits_is_loaded_and_less_than_half_is_refused():
    source, target = _model(), _model()
    nn.init.constant_(source[0].weight, 7)
    state = {**source.state_dict(), '0.bias': torch.ones(9), 'text.x': torch.ones(1)}
    before = target[0].bias.detach().clone()
    load_fitting(target, state, 'a.pth', skip=('text.',))
    assert (target[0].weight == 7).all() and torch.equal(target[0].bias, before)
    with pytest.raises(InputError, match='6 of 7 parameters are missing.*same student'):
        load_fitting(target, {'0.weight': source[0].weight}, 'a.pth')


def test_hash_knows_names_types_shapes_and_values():
    states = [{'a': torch.zeros(4)}, {'b': torch.zeros(4)}, {'a': torch.zeros(2, 2)},
              {'a': torch.zeros(4, dtype=torch.int32)}, {'a': torch.ones(4)}]
    assert len({state_dict_hash(state) for state in states}) == 5
