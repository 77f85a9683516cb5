"""Calibration in one pass, against the metrics of ordinary runs."""

import json

import cv2
import pytest

from mmseg_maskclip.evaluation import CalibrationCurve
from mmseg_maskclip.visualization.calibration import draw_calibration

from helpers.calibrated import OWN
from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input, run_processes

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
TOOL = 'tools/test.py'
NAMES = ('mIoU', 'mIoU(S)', 'mIoU(U)', 'hIoU', 'pAcc')


@pytest.fixture
def run(tiny_world, tiny_rn, tmp_path, call_tool):
    def run(*flags, name='work', eval=('--eval', 'mIoU'), options=()):
        return call_tool(TOOL, CONFIG, tiny_rn, *eval, '--work-dir', tmp_path / name, *flags,
                         '--cfg-options', f'data.test.data_root={tiny_world}',
                         'data.workers_per_gpu=0', *options)
    return run


def _record(folder):
    file, = folder.glob('eval_*.json')
    return json.loads(file.read_text())


def _row(record, offset):
    curve = record['seen_offsets']
    return {name: curve[name][curve['offsets'].index(offset)] for name in NAMES}


@pytest.mark.parametrize('flags', [[], ['--aug-test']])
def test_the_row_without_offset_is_the_metrics_of_the_run(flags, run, tmp_path):
    done = run('--eval-options', 'seen_offsets=[0.05,0,0.02]', *flags)
    assert done.returncode == 0, done.stderr
    record = _record(tmp_path / 'work')
    assert record['seen_offsets']['offsets'] == [0, 0.02, 0.05]
    assert _row(record, 0) == {name: record['metric'][name] for name in NAMES}
    assert _row(record, 0.05) != _row(record, 0)
    assert 0.2 < record['seen_offsets']['area'] < 0.9
    shown = done.stdout + done.stderr
    assert f'{100 * record["seen_offsets"]["area"]:.2f} %' in shown and 'nothing reads' not in shown
    picture = cv2.imread(str(next((tmp_path / 'work').glob('eval_*_seen_offsets.png'))))
    assert picture.shape[1] > 900


def test_an_offset_that_the_model_has_is_added_back(run, tmp_path):
    calibrated = ['model.type=CalibratedMaskClip']
    flags = ['--eval-options', f'seen_offsets=[0,{OWN}]']
    for name, options in (('plain', []), ('own', calibrated)):
        done = run(*flags, name=name, options=options)
        assert done.returncode == 0, done.stderr
    plain, own = _record(tmp_path / 'plain'), _record(tmp_path / 'own')
    assert own['seen_offsets']['model_offset'] == OWN
    assert _row(own, OWN) == {name: own['metric'][name] for name in NAMES}
    assert plain['metric']['mIoU'] != own['metric']['mIoU']
    for offset in (0, OWN):
        assert _row(own, offset) == pytest.approx(_row(plain, offset), abs=1e-4)
    assert_bad_input(run(*flags, options=[*calibrated, 'data.test.unseen=[1,2]']),
                     'seen_offset 0.03 with unseen classes [3, 9, 11, 12]', '[1, 2]')


def test_two_processes_count_as_one(tiny_world, tiny_rn, tmp_path, run):
    flags = ['--eval-options', 'seen_offsets=[0,0.02]']
    assert run(*flags, name='one').returncode == 0
    for done in run_processes(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', *flags, '--work-dir',
                              tmp_path / 'two', '--cfg-options',
                              f'data.test.data_root={tiny_world}', 'data.workers_per_gpu=0'):
        assert done.returncode == 0, done.stderr
    assert _record(tmp_path / 'two')['seen_offsets'] == _record(tmp_path / 'one')['seen_offsets']


@cases('value, more, words', [
    ('[]', {}, ['is empty']), ('[0,a]', {}, ["is 'a', expected a number"]),
    ('[0,inf]', {}, ['is inf, expected a number']), ('[0.1,0.1]', {}, ['expected different']),
    ('True', {}, ['is True']),
    ('0.1', {'eval': ('--eval', 'mDice')}, ['needs --eval mIoU, got mDice']),
    ('0.1', {'options': ['data.test.unseen=[]']}, ['0 unseen ones of 14']),
    ('0.1', {'options': ["model.refine=[{'type':'Closing'}]"]}, ['leave out Pamr, Background']),
])
def test_wrong_offsets_are_told_before_the_run(value, more, words, run):
    done = run('--eval-options', f'seen_offsets={value}', **more)
    assert_bad_input(done, 'seen_offsets', *words)
    assert 'test:' not in done.stderr, 'the progress bar'


def test_one_offset_and_undefined_values_can_be_drawn():
    row = dict.fromkeys(NAMES, 0.5)
    without = {**row, 'mIoU(U)': float('nan'), 'hIoU': float('nan')}
    full, part = (draw_calibration(CalibrationCurve((0.1,), (one,), one, one, one['hIoU']))
                  for one in (row, without))
    assert full.shape == part.shape
    # The point of hIoU in green, which undefined metrics do not have.
    assert ((full == (60, 140, 40)).all(2)).sum() > ((part == (60, 140, 40)).all(2)).sum()
