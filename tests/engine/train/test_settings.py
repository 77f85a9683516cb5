"""What a training config must say."""

import pytest
from mmcv import Config

from mmseg_maskclip.engine.train import log as training_log
from mmseg_maskclip.engine.train import settings as training_settings
from mmseg_maskclip.engine.train.log import usable_log_config
from mmseg_maskclip.engine.train.settings import check_settings, settle_batch
from mmseg_maskclip.utils import InputError

from helpers.cases import cases


def _config(**changes):
    settings = dict(
        model={}, data=dict(samples_per_gpu=4, train={}),
        optimizer=dict(type='SGD', lr=0.01, weight_decay=5e-4), lr_config=dict(policy='poly'),
        runner=dict(type='IterBasedRunner', max_iters=10), total_batch_size=16)
    config = Config({**settings, **{key: value for key, value in changes.items()
                                    if '.' not in key}})
    config.merge_from_dict({key: value for key, value in changes.items() if '.' in key})
    return config


def test_a_plain_config_passes():
    check_settings(_config(), None)


@cases('changes, words', [
    ({'optimizer': None}, "no 'optimizer'"),
    ({'runner': dict(type='EpochBasedRunner', max_epochs=3)}, 'max_iters=N'),
    ({'runner': dict(type='IterBasedRunner', max_iters=0)}, 'runner.max_iters is 0'),
    ({'workflow': [('train', 1), ('val', 1)]}, 'workflow is'),
    ({'accumulative_counts': 0}, 'accumulative_counts is 0'),
    ({'data.samples_per_gpu': 1.5}, 'samples_per_gpu is 1.5'),
    ({'optimizer_config': dict(type='GradientCumulativeFp16OptimizerHook')}, 'fp16=dict'),
    ({'optimizer_config': dict(type='GradientCumulativeOptimizerHook')}, 'accumulative_counts'),
    ({'optimizer_config': dict(type='ProfilerHook'), 'accumulative_counts': 2}, 'do not work'),
])
def test_what_can_not_be_trained_is_told(changes, words):
    with pytest.raises(InputError, match=words):
        check_settings(_config(**changes), None)


def test_learning_rate_follows_the_total_batch_linearly(monkeypatch):
    monkeypatch.setattr(training_settings, 'get_dist_info', lambda: (0, 2))
    config = _config(accumulative_counts=4)
    assert settle_batch(config, auto_scale=True) == 32
    assert config.optimizer.lr == pytest.approx(0.02)
    assert config.optimizer.weight_decay == 5e-4


@pytest.fixture
def told(monkeypatch):
    lines = []
    for module in (training_settings, training_log):
        monkeypatch.setattr(module, 'print_log', lambda line, *args, **kwargs: lines.append(line))
    return lines


def test_another_batch_is_one_line(told):
    config = _config()
    assert settle_batch(config, auto_scale=False) == 4
    assert config.optimizer.lr == 0.01
    assert len(told) == 1
    for words in ('4 images', 'assumes 16', '0.0025', '--auto-scale-lr'):
        assert words in told[0]
    settle_batch(_config(accumulative_counts=4), auto_scale=False)
    assert len(told) == 1


def test_scaling_needs_something_to_scale_by():
    with pytest.raises(InputError, match='total_batch_size'):
        settle_batch(_config(total_batch_size=None), auto_scale=True)


@pytest.mark.parametrize('installed', [True, False])
def test_tensorboard_is_used_where_it_is_installed(monkeypatch, told, installed):
    def find(name):
        if not installed:
            raise ModuleNotFoundError("No module named 'tensorboard'")

    monkeypatch.setattr(training_log.importlib, 'import_module', find)
    hooks = [dict(type='TextLoggerHook'), dict(type='TensorboardLoggerHook')]
    found = usable_log_config(_config(log_config=dict(interval=50, hooks=hooks)))
    assert [hook['type'] for hook in found['hooks']] == [hook['type'] for hook in hooks][
        :1 + installed]
    assert found['interval'] == 50
    assert len(told) == 1 - installed
