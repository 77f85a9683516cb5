"""The device CLIP runs on: named, or found."""

import pytest
import torch

from mmseg_maskclip.clip import pick_device
from mmseg_maskclip.utils import InputError


def test_a_named_device_and_the_one_found(monkeypatch):
    assert pick_device('cpu') == torch.device('cpu')
    for available, expected in ((False, 'cpu'), (True, 'cuda')):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda available=available: available)
        assert pick_device() == torch.device(expected)


@pytest.mark.parametrize('name', ['graphics', 'cuda:99'])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match=f"device '{name}' cannot be used here, expected cpu"):
        pick_device(name)
