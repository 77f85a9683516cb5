"""Training ZegCLIP as a user does: interrupted, in two processes, from an inductive model."""

import json
import signal

import pytest
import torch

from helpers.tools import run_processes, run_tool, start_tool
from helpers.training import curve
from helpers.zegclip import write_zegclip_config

TOOL = 'tools/train.py'
ITERATIONS = 30


def _state(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_killed_and_resumed_it_ends_the_same(tiny_world, tmp_path):
    """With dropout of prompts and decoder, and pseudo-labels of a moving average."""
    config = write_zegclip_config(tmp_path / 'zegclip.py', tiny_world, 'transductive', ITERATIONS)
    config.write_text(config.read_text() + "custom_hooks = [dict(type='EmaLabellerHook')]\n"
                      'evaluation = dict(interval=15)\n'
                      'checkpoint_config = dict(by_epoch=False, interval=5)\n')
    killed, whole = tmp_path / 'killed', tmp_path / 'whole'
    run = start_tool(TOOL, config, '--work-dir', killed, '--seed', 4, '--from-scratch')
    run.wait_for(killed / 'iter_5.pth')
    run.signal(signal.SIGKILL)
    assert run.wait().returncode == -signal.SIGKILL
    assert not (killed / f'iter_{ITERATIONS}.pth').exists()
    # It goes on with what was written, and needs no other start.
    for flags in ((killed, '--auto-resume', '--full-checkpoint'),
                  (whole, '--seed', 4, '--from-scratch', '--no-validate')):
        done = run_tool(TOOL, config, '--work-dir', *flags)
        assert done.returncode == 0, done.stderr
    expected = curve(whole)
    assert sorted(expected) == list(range(1, ITERATIONS + 1))
    assert {**expected, **curve(killed)} == expected
    assert set(curve(whole, 'decode.filled_self').values()) != {0.0}
    first, second = (_state(folder / f'iter_{ITERATIONS}.pth') for folder in (whole, killed))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert {key.split('.')[1] for key in second.keys() - first.keys()} == {'tower'}
    metrics = json.loads((killed / 'evaluations.json').read_text())
    assert {'mIoU(S)', 'mIoU(U)', 'hIoU', 'pAcc'} <= metrics['30']['metrics'].keys()
    # What has the tower is resumed as well.
    done = run_tool(TOOL, config, '--work-dir', killed, '--resume-from',
                    killed / 'iter_25.pth', '--no-validate')
    assert done.returncode == 0, done.stderr
    again = _state(killed / f'iter_{ITERATIONS}.pth')
    assert all(torch.equal(value, again[key]) for key, value in first.items())


@pytest.mark.parametrize('mode', ['inductive', 'transductive'])
def test_two_processes_are_one_with_twice_the_batch(mode, tiny_world, call_tool, tmp_path):
    """The classes that the images show differ, by whose number the losses are divided."""
    config = write_zegclip_config(tmp_path / 'zegclip.py', tiny_world, mode, 4, dropout=0.0)
    single, double = tmp_path / 'single', tmp_path / 'double'
    options = ['evaluation.interval=4', 'data.train.pipeline.3.prob=0.0', 'total_batch_size=4']
    flags = [config, '--seed', 2, *(['--from-scratch'] if mode == 'transductive' else [])]
    runs = run_processes(TOOL, *flags, '--work-dir', double, '--cfg-options', *options)
    assert not any(done.returncode for done in runs), [done.stderr for done in runs]
    done = call_tool(TOOL, *flags, '--work-dir', single, '--cfg-options', *options,
                     'data.samples_per_gpu=4')
    assert done.returncode == 0, done.stderr
    for name in ('loss', 'decode.loss_mask', 'decode.loss_dice'):
        assert curve(single, name) == pytest.approx(curve(double, name), rel=1e-4), name
    assert len(set(curve(single).values())) == 4
    states = [_state(folder / 'iter_4.pth') for folder in (single, double)]
    for key, value in states[0].items():
        # The bias of a key moves all scores of a softmax alike: its gradient is rounding, of
        # which AdamW makes a step all the same.
        if not key.endswith('cross_attn.k.bias'):
            torch.testing.assert_close(states[1][key], value, rtol=1e-3, atol=1e-4, msg=key)
    metrics = [json.loads((folder / 'evaluations.json').read_text())['4']['metrics']
               for folder in (single, double)]
    assert metrics[0] == pytest.approx(metrics[1], abs=2e-3)
