"""Training with mmcv's EMAHook, whose averages are buffers of the model itself."""

import copy
import logging

import pytest
import torch

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.models.weights.averages import split_averages
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.training import write_training_config


@pytest.fixture(scope='module')
def config(tiny_world, tmp_path_factory):
    path = write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world, 4)
    found = load_config(path)
    # Before checkpoints are written: else, as in mmcv, their averages are a step behind.
    found.custom_hooks = [dict(type='EMAHook', momentum=0.3, warm_up=1, priority='ABOVE_NORMAL')]
    return found


@pytest.fixture(scope='module')
def whole(config, tmp_path_factory):
    """Folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp('whole')
    train_model(config, TrainOptions(str(folder), seed=1, validate=False))
    return folder


def _state(folder, iteration=4):
    return read_checkpoint(folder / f'iter_{iteration}.pth')['state_dict']


def _said(caplog, words):
    return [record for record in caplog.records if words in record.getMessage()]


def test_only_copies_of_what_is_there_are_averages():
    state = {'a.b': 1, 'a.c_d': 2, 'ema_a_b': 3, 'ema_a_c_d': 4, 'ema_x': 5, 'ema_head.w': 6}
    own, averages = split_averages(state)
    assert own == {'a.b': 1, 'a.c_d': 2, 'ema_x': 5, 'ema_head.w': 6}
    assert averages == {'ema_a_b': 3, 'ema_a_c_d': 4}


def test_it_is_tested_with_the_weights_themselves(config, whole, caplog):
    logging.getLogger('mmseg').propagate = True
    model = build_model(config)
    load_weights(model, whole / 'iter_4.pth')
    own, averages = split_averages(_state(whole))
    assert len(averages) == len(list(model.parameters()))
    found = model.state_dict()
    assert found.keys() == own.keys()
    assert all(torch.equal(found[key], value) for key, value in own.items())
    assert len(_said(caplog, f'these {len(averages)} copies are left out')) == 1


def test_resumed_it_ends_the_same_averages_included(config, whole, tmp_path):
    train_model(config, TrainOptions(str(tmp_path), resume_from=str(whole / 'iter_2.pth'),
                                     validate=False))
    first, second = _state(whole), _state(tmp_path)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    # They are not just the last values.
    assert not torch.equal(first['ema_backbone_stem_0_weight'], first['backbone.stem.0.weight'])


def test_resumed_without_the_hook_they_are_left_out(config, whole, tmp_path, caplog):
    logging.getLogger('mmseg').propagate = True
    without = copy.deepcopy(config)
    without.custom_hooks = []
    train_model(without, TrainOptions(str(tmp_path), resume_from=str(whole / 'iter_3.pth'),
                                      validate=False))
    own, averages = split_averages(_state(whole))
    assert _state(tmp_path).keys() == own.keys()
    (line,) = _said(caplog, 'does not keep: they are left out')
    assert f'holds {len(averages)} moving averages' in line.getMessage()


def test_a_new_run_may_start_from_its_weights(config, whole, tmp_path, caplog):
    logging.getLogger('mmseg').propagate = True
    train_model(config, TrainOptions(str(tmp_path), load_from=str(whole / 'iter_4.pth'),
                                     validate=False, seed=1))
    assert not _said(caplog, 'is loaded in part')


def test_what_is_missing_is_still_told(config, whole, tmp_path):
    content = read_checkpoint(whole / 'iter_4.pth')
    del content['state_dict']['backbone.stem.0.weight']
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(InputError, match=r'1 of \d+ parameters are missing .*stem\.0\.weight'):
        load_weights(build_model(config), tmp_path / 'x.pth')
