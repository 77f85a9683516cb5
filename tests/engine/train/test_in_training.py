"""Evaluation of a run: which checkpoint is the best, several sets, mmseg's own classes."""

import json

import pytest
import torch

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.training import write_plain_config, write_training_config

SPLITS = ['ImageSets/Segmentation/val.txt', 'ImageSets/Segmentation/train.txt']


@pytest.fixture(scope='module')
def path(tiny_world, tmp_path_factory):
    return write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world, 1)


@pytest.fixture(scope='module')
def plain(tiny_world, tmp_path_factory):
    return write_plain_config(tmp_path_factory.mktemp('config') / 'plain.py', tiny_world)


def _train(path, folder, **evaluation):
    config = load_config(path, {f'evaluation.{key}': value for key, value in
                                {'interval': 1, **evaluation}.items()})
    train_model(config, TrainOptions(str(folder), seed=0))
    return json.loads((folder / 'evaluations.json').read_text())['1']


@cases('save_best, key', [('hIoU', 'hIoU'), ('IoU.sky', 'IoU.sky'), ('mPrec', 'mPrec'),
                          ('mIoU(U)', 'mIoU(U)'), ('auto', 'aAcc')])
def test_any_metric_may_choose_the_best_checkpoint(path, tmp_path, save_best, key):
    record = _train(path, tmp_path, save_best=save_best)
    assert [file.name for file in tmp_path.glob('best_*')] == [f'best_{key}_iter_1.pth']
    assert record['best']['best_score'] == pytest.approx(record['metrics'][key], abs=1e-4)


@cases('evaluation, words', [
    (dict(save_best='mIou(U)'), "is 'mIou.U.', expected 'auto' or .*did you mean 'mIoU.U.'"),
    (dict(save_best=True), 'evaluation cannot be built'),
    (dict(save_best='mIoU', out_dir='/dev/null/x'), 'evaluation.out_dir /dev/null/x'),
    (dict(save_best='mIoU', rule='sideways'), 'evaluation cannot be built.*sideways'),
    (dict(metric='mIuO'), "unknown metric 'mIuO'"),
    (dict(intervall=9), "nothing reads evaluation.intervall, did you mean 'interval'"),
    (dict(start='abc'), 'evaluation cannot be built'),
])
def test_wrong_settings_are_told_before_the_first_step(path, tmp_path, evaluation, words):
    with pytest.raises(InputError, match=words):
        _train(path, tmp_path, **evaluation)
    assert not list(tmp_path.glob('iter_*.pth'))


def test_one_image_is_evaluated_before_the_first_step(path, tmp_path):
    config = load_config(path, {'model.test_cfg': 'abc', 'evaluation.interval': 1})
    with pytest.raises(InputError, match='evaluating data.val fails on the first image'):
        train_model(config, TrainOptions(str(tmp_path), seed=0))
    assert not list(tmp_path.glob('iter_*.pth'))


def test_the_first_image_leaves_no_trace_in_a_run(path, tmp_path):
    states = []
    for options in ({}, {'evaluation': None}):
        train_model(load_config(path, options), TrainOptions(str(tmp_path), seed=0))
        states.append(read_checkpoint(tmp_path / 'iter_1.pth')['state_dict'])
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize('form', ['splits', 'list'])
def test_two_sets_are_one_to_choose_the_best_checkpoint_by(path, tmp_path, form):
    config = load_config(path, {'evaluation.interval': 1, 'evaluation.save_best': 'hIoU'})
    if form == 'splits':
        config.data.val.split = SPLITS
    else:
        config.data.val = [dict(config.data.val, split=split) for split in SPLITS]
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    assert (tmp_path / 'best_hIoU_iter_1.pth').is_file()


def test_two_separate_sets_are_numbered_as_in_mmseg(path, tmp_path):
    config = load_config(path, {'data.val.split': SPLITS, 'evaluation.save_best': 'hIoU',
                                'evaluation.interval': 1})
    config.data.val.separate_eval = True
    with pytest.raises(InputError, match="expected 'auto' or one of 0_aAcc"):
        train_model(config, TrainOptions(str(tmp_path), seed=0))
    assert not list(tmp_path.glob('iter_*.pth'))
    config.evaluation.save_best = '1_hIoU'
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    metrics = json.loads((tmp_path / 'evaluations.json').read_text())['1']['metrics']
    assert metrics['0_mIoU'] != metrics['1_mIoU']
    assert (tmp_path / 'best_1_hIoU_iter_1.pth').is_file()


def test_mmsegs_own_classes_train_and_are_tested(plain, tmp_path):
    record = _train(plain, tmp_path, save_best='mIoU')
    assert record['best']['best_score'] == record['metrics']['mIoU']
    metrics = test_model(load_config(plain), str(tmp_path / 'latest.pth'),
                         TestOptions(['mIoU', 'mDice'], work_dir=str(tmp_path)))
    written = json.loads(next(tmp_path.glob('eval_*.json')).read_text())
    assert written['metric']['mIoU'] == pytest.approx(float(metrics['mIoU']))
    assert written['metric']['IoU.sky'] is not None
    assert written['metric']['mIoU'] == pytest.approx(record['metrics']['mIoU'], abs=1e-3)


def test_a_mistyped_metric_of_mmsegs_classes_is_told_at_the_start(plain, tmp_path):
    with pytest.raises(InputError, match='mIuO'):
        _train(plain, tmp_path, metric='mIuO')
    assert not list(tmp_path.glob('iter_*.pth'))
