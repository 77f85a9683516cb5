"""Self-training from a moving average of the student."""

import copy

import pytest
import torch
from torch import nn

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.ema import AveragedStudent, EmaLabellerHook
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.utils import InputError

from helpers.training import curve, write_training_config


class _Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.BatchNorm2d(1)
        self.decode_head = nn.Conv2d(1, 1, 1)


def test_average_follows_by_the_rule():
    student = _Student()
    average = AveragedStudent(student)
    start = student.decode_head.weight.item()
    with torch.no_grad():
        student.decode_head.weight.fill_(2.0)
        student.backbone.running_mean.fill_(4.0)
        student.backbone.num_batches_tracked.fill_(7)
    average.follow(student, 0.75)
    assert average.decode_head.weight.item() == pytest.approx(0.75 * start + 0.25 * 2.0)
    assert average.backbone.running_mean.item() == pytest.approx(1.0)
    assert average.backbone.num_batches_tracked.item() == 7
    assert not any(value.requires_grad for value in average.parameters())
    average.follow(student, 0.0)
    assert average.decode_head.weight.item() == 2.0


def test_momentum_out_of_range_is_told():
    with pytest.raises(InputError, match='momentum .* is 1'):
        EmaLabellerHook(momentum=1)


@pytest.fixture(scope='module')
def config(tiny_world, tmp_path_factory):
    path = write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world, 5)
    found = load_config(path, {'model.labelling.clip_guided': (1, 2),
                               'model.labelling.self_train': (3, -1)})
    found.custom_hooks = [dict(type='EmaLabellerHook', momentum=0.3)]
    return found


@pytest.fixture(scope='module')
def whole(config, tmp_path_factory):
    """Folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp('whole')
    train_model(config, TrainOptions(str(folder), seed=1, validate=False))
    return folder


def test_average_follows_faster_at_the_start_of_training(whole):
    """Of the average before step n + 1 at most (n + 1) / (n + 10) are left, of n steps done."""
    contents = [read_checkpoint(whole / f'iter_{step}.pth') for step in range(1, 6)]
    averages = [content['stateful']['ema'] for content in contents]
    kept = {1: 2 / 11, 2: 3 / 12, 3: 0.3, 4: 0.3}
    for done, share in kept.items():
        student = contents[done - 1]['state_dict']
        for key, value in averages[done].items():
            if value.is_floating_point():
                expected = share * averages[done - 1][key] + (1 - share) * student[key]
                torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=key)


def test_resumed_it_ends_the_same_and_stays_out_of_the_weights(config, whole, tmp_path):
    train_model(config, TrainOptions(str(tmp_path), resume_from=str(whole / 'iter_3.pth'),
                                     validate=False))
    first, second = (read_checkpoint(folder / 'iter_5.pth') for folder in (whole, tmp_path))
    for part in (lambda content: content['state_dict'], lambda content: content['stateful']['ema']):
        for key, value in part(first).items():
            assert torch.equal(value, part(second)[key]), key
    assert first['state_dict'].keys() == build_model(config).state_dict().keys()


def test_average_labels_in_place_of_the_student(config, whole, tmp_path):
    """Without it the curve is another from the first self-trained step on."""
    without = copy.deepcopy(config)
    without.custom_hooks = []
    train_model(without, TrainOptions(str(tmp_path), seed=1, validate=False))
    first, second = curve(whole), curve(tmp_path)
    assert [first[step] == second[step] for step in (1, 2, 3)] == [True, True, False]
