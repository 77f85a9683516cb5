"""Modules that are used without being registered."""

import copy

import torch
from torch import nn

from mmseg_maskclip.models.unregistered import UnregisteredModules, unregistered_hashes


class _User(UnregisteredModules, nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.Linear(2, 2)
        self.set_unregistered('teacher', nn.Linear(3, 3))
        self.set_unregistered('shared', nn.Linear(4, 4), moves=False)
        self.set_unregistered('none', None)


def test_nobody_sees_them_and_they_move_along():
    user = _User()
    assert [name for name, _ in user.named_parameters()] == ['own.weight', 'own.bias']
    assert list(user.state_dict()) == ['own.weight', 'own.bias'] and len(list(user.modules())) == 2
    user.double()
    assert user.unregistered('teacher').weight.dtype == torch.float64
    # Its owner moves it.
    assert user.unregistered('shared').weight.dtype == torch.float32
    assert user.unregistered('none') is None and user.unregistered('unknown') is None


def test_users_and_copies_have_their_own():
    first, second = _User(), _User()
    assert first.unregistered('teacher') is not second.unregistered('teacher')
    copied = copy.deepcopy(first)
    assert copied.unregistered('teacher') is not first.unregistered('teacher')
    assert unregistered_hashes(copied) == unregistered_hashes(first)
    assert set(unregistered_hashes(first)) == {'teacher', 'shared'}
    with torch.no_grad():
        copied.unregistered('teacher').bias += 1
    assert unregistered_hashes(copied) != unregistered_hashes(first)
    assert unregistered_hashes(nn.Linear(1, 1)) == {}
