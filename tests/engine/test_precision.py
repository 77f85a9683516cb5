"""Which precision a config and --amp ask for, and whether it is what runs."""

import pytest
import torch
from mmcv import Config

from mmseg_maskclip.engine import precision as precisions
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.precision import (
    Precision,
    choose_precision,
    grad_scaler,
    inference_precision,
)
from mmseg_maskclip.engine.train import train as training
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.hooks import StepHook
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.training import write_training_config

HOOK = dict(type='Fp16OptimizerHook', loss_scale='dynamic')
SCALER = dict(init_scale=64.0, growth_interval=10)


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, as far as settings go."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)


@cases('settings, amp, expected', [
    ({}, None, Precision()),
    ({}, 'fp16', Precision('fp16')),
    ({'fp16': None}, None, Precision()),
    ({'fp16': dict(loss_scale=256)}, None, Precision('fp16', 256)),
    ({'fp16': dict()}, None, Precision('fp16', 512.0)),
    ({'fp16': dict(loss_scale='dynamic')}, None, Precision('fp16', 'dynamic')),
    ({'fp16': dict(loss_scale=SCALER)}, None, Precision('fp16', SCALER)),
    ({'fp16': dict(), 'optimizer_config': HOOK}, None, Precision('fp16', 'dynamic')),
    ({'optimizer_config': dict(HOOK, loss_scale=8.0)}, None, Precision('fp16', 8.0)),
    ({'fp16': dict(loss_scale=256)}, 'fp16', Precision('fp16', 256)),
])
def test_fp16_settings_are_honoured_on_a_gpu(gpu, settings, amp, expected):
    assert choose_precision(Config(settings), amp) == expected


def test_amp_goes_before_the_config(gpu):
    found = choose_precision(Config(dict(fp16=dict(loss_scale=512.))), 'bf16')
    assert found.amp == 'bf16'
    assert 'goes before' in found.note


def test_without_a_gpu_training_is_single_precision_and_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    found = choose_precision(Config(dict(fp16=dict(loss_scale=512.))), None)
    assert found.amp is None
    assert 'trains in fp32' in found.note
    assert '--amp bf16' in found.note


def test_fp16_as_a_flag_needs_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert choose_precision(Config(), 'bf16') == Precision('bf16')
    with pytest.raises(InputError, match='--amp bf16'):
        choose_precision(Config(), 'fp16')


@cases('settings, words', [
    ({'fp16': True}, 'fp16 is True'),
    ({'fp16': 'abc'}, "fp16 is 'abc'"),
    ({'fp16': dict(los_scale=512.)}, 'los_scale'),
    ({'fp16': dict(loss_scale=0)}, 'fp16.loss_scale is 0'),
    ({'fp16': dict(loss_scale='static')}, "'dynamic'"),
    ({'fp16': dict(loss_scale=dict(init=1))}, 'fp16.loss_scale.init'),
    ({'fp16': dict(loss_scale=dict(growth_factor=1.0))}, 'growth_factor is 1.0'),
    ({'fp16': dict(loss_scale=dict(growth_interval=1.5))}, 'growth_interval is 1.5'),
    ({'optimizer_config': dict(HOOK, loss_scale=None)}, 'fp16.loss_scale is None'),
])
def test_wrong_settings_are_told(settings, words):
    with pytest.raises(InputError, match=words):
        choose_precision(Config(settings), None)


@cases('loss_scale, after', [(512.0, 512.0), ('dynamic', 2.0**15),
                             (dict(init_scale=64.0), 32.0)])
def test_only_a_number_stays_when_gradients_overflow(loss_scale, after):
    scaler = grad_scaler(loss_scale, 'cpu')
    weight = torch.nn.Parameter(torch.ones(1))
    runner = Config(dict(accumulation=1, outputs={}))
    runner.optimizer = torch.optim.SGD([weight], lr=1.0)
    runner.outputs['loss'] = (weight * float('inf')).sum()
    StepHook(scaler, precisions.fixed_scale(loss_scale)).after_train_iter(runner)
    assert weight.item() == 1.0
    assert scaler.get_scale() == after


@pytest.mark.parametrize('options', [
    {'fp16': dict(loss_scale=256.0)},
    {'optimizer_config': dict(type='Fp16OptimizerHook', loss_scale=256.0, distributed=False,
                              grad_clip=dict(max_norm=1.0))}])
def test_a_run_takes_its_scale_from_the_config(options, tiny_world, tmp_path, monkeypatch):
    """In half precision on the CPU, which torch can do, where no GPU is at hand."""
    config = load_config(write_training_config(tmp_path / 'config.py', tiny_world, 1),
                         {**options, 'evaluation': None})
    monkeypatch.setattr(training, 'grad_scaler', lambda scale: grad_scaler(scale, 'cpu'))
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, 'is_available', lambda: True)
        found = choose_precision(config, None)
    monkeypatch.setattr(training, 'choose_precision', lambda *_: found)
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    content = read_checkpoint(tmp_path / 'iter_1.pth')
    assert content['stateful']['scaler']['scale'] == 256.0
    assert content['meta']['amp'] == 'fp16'
    assert 'precision: fp16' in next(tmp_path.glob('*.log')).read_text()


@cases('value, words', [
    ('fp16', ['model.teacher_precision fp16 needs a GPU', 'bf16 on the CPU']),
    ('fp8', ["model.teacher_precision is 'fp8'", "('fp32', 'bf16', 'fp16')"]),
    (16, ['model.teacher_precision is 16']),
])
def test_a_teacher_in_a_precision_that_cannot_be_is_refused_at_the_start(
        value, words, tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    config = load_config(write_training_config(tmp_path / 'config.py', tiny_world, 1),
                         {'model.teacher_precision': value})
    with pytest.raises(InputError) as error:
        train_model(config, TrainOptions(str(tmp_path / 'run'), seed=0))
    assert all(word in str(error.value) for word in words)
    assert not (tmp_path / 'run').exists()


def test_log_of_a_run_without_a_gpu_says_what_it_does(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    config = load_config(write_training_config(tmp_path / 'config.py', tiny_world, 1),
                         {'fp16': dict(loss_scale=512.0), 'evaluation': None})
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    text = next(tmp_path.glob('*.log')).read_text()
    assert 'precision: fp32' in text
    assert 'trains in fp32' in text


@pytest.mark.filterwarnings('ignore:CUDA is not available')
def test_a_config_with_fp16_is_tested_in_half_precision_on_a_gpu():
    gpu, config = torch.device('cuda'), Config(dict(fp16=dict(loss_scale=512.)))
    assert inference_precision(config, gpu) == 'fp16'
    assert inference_precision(config, gpu, 'fp32') == inference_precision(Config(), gpu) == 'fp32'
    found = running_in('fp16', gpu)
    assert (found.device, found.fast_dtype) == ('cuda', torch.float16)
    assert not running_in('fp32', gpu)._enabled


def test_a_test_without_a_gpu_says_what_it_does(tiny_world, tiny_rn, tmp_path, call_tool,
                                                monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    done = call_tool('tools/test.py', 'tiny/maskclip_tinyrn_256x256_tinyworld.py', tiny_rn,
                     '--eval', 'mIoU', '--work-dir', tmp_path, '--cfg-options',
                     'fp16.loss_scale=512.', f'data.test.data_root={tiny_world}',
                     'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    assert 'tests in fp32' in done.stdout + done.stderr
