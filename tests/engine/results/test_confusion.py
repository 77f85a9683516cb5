"""The confusion matrix of tools/test.py, against the metrics of the same run."""

import csv
import json

import cv2
import numpy as np
import pytest
from mmseg.datasets import build_dataset

from mmseg_maskclip.engine.results.confusion import ConfusionFiles
from mmseg_maskclip.utils import InputError

from helpers.tools import ROOT, assert_bad_input, run_processes
from helpers.voc_tree import write_image, write_labels

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
TOOL = 'tools/test.py'


def _options(world):
    return ['--cfg-options', f'data.test.data_root={world}', 'data.workers_per_gpu=0']


def read(path):
    with open(path, newline='', encoding='utf-8') as file:
        (_, *names), *rows = csv.reader(file)
    assert [row[0] for row in rows] == names
    return names, np.array([row[1:] for row in rows], dtype=np.int64)


def test_counts_give_the_metrics_also_of_two_processes(tiny_world, tiny_rn, tmp_path, call_tool):
    table, picture = tmp_path / 'new/matrix.csv', tmp_path / 'matrix.png'
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--eval-options',
                     f'confusion={table},{picture}', '--work-dir', tmp_path / 'one',
                     *_options(tiny_world))
    assert done.returncode == 0, done.stderr
    names, counts = read(table)
    metrics = json.loads(next((tmp_path / 'one').glob('eval*.json')).read_text())['metric']
    hit, labelled, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    for index, name in enumerate(names):
        if labelled[index]:
            iou = hit[index] / (labelled[index] + predicted[index] - hit[index])
            assert iou == pytest.approx(metrics[f'IoU.{name}']), name
            assert hit[index] / labelled[index] == pytest.approx(metrics[f'Acc.{name}']), name
    assert counts.sum() == 6 * 256 * 256
    assert min(cv2.imread(str(picture)).shape[:2]) > 14 * 36
    for done in run_processes(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--eval-options',
                              f'confusion={tmp_path / "two.CSV"}', '--work-dir', tmp_path,
                              *_options(tiny_world)):
        assert done.returncode == 0, done.stderr
    assert (tmp_path / 'two.CSV').read_bytes() == table.read_bytes()


def test_wrong_names_are_told_before_the_run(tiny_world, tiny_rn, tmp_path, call_tool):
    for option, words in (('confusion=a.pdf', ["'a.pdf'", '.png', '.csv']), ('confusion=3', ['3']),
                          (f'confusion={tmp_path}/x.png,b', ["'b'"]),
                          ('confusion=/proc/no/a.png', ['cannot be written'])):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--eval-options', option,
                         '--work-dir', tmp_path, *_options(tiny_world))
        assert_bad_input(done, *words)
        assert 'test:' not in done.stderr, 'the progress bar'
    done = call_tool(TOOL, CONFIG, tiny_rn, '--out', tmp_path / 'a.pkl', '--eval-options',
                     f'confusion={tmp_path}/a.png', '--work-dir', tmp_path, *_options(tiny_world))
    assert_bad_input(done, 'needs --eval mIoU')


def test_an_option_that_nothing_reads_is_told(tiny_world, tiny_rn, tmp_path, call_tool):
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--eval-options',
                     'confusoin=a.png', '--work-dir', tmp_path, *_options(tiny_world))
    assert done.returncode == 0
    assert '--eval-options confusoin: nothing reads that' in done.stdout + done.stderr


def test_plain_mmseg_sets_reduce_zero(tmp_path):
    """mmseg reduces it while it counts; here the matrix must not be shifted by one."""
    write_image(tmp_path / 'images/a.jpg', (2, 4))
    write_labels(tmp_path / 'labels/a.png', np.array([[0, 1, 2, 2]] * 2))
    for kind in ('CustomDataset', 'VOC20Dataset'):
        more = {'split': 'val.txt'} if kind == 'VOC20Dataset' else {
            'reduce_zero_label': True, 'classes': ['a', 'b', 'c']}
        (tmp_path / 'val.txt').write_text('a\n')
        dataset = build_dataset({
            'type': kind, 'data_root': str(tmp_path), 'img_dir': 'images', 'ann_dir': 'labels',
            'pipeline': [], 'test_mode': True, **more})
        files = ConfusionFiles(str(tmp_path / f'{kind}.csv'), dataset)
        files.add(np.array([[1, 0, 1, 2]] * 2), 0)
        files.finish()
        assert read(tmp_path / f'{kind}.csv')[1][:3, :3].tolist() == [
            [2, 0, 0], [0, 2, 2], [0, 0, 0]], kind


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / 'x.png').mkdir()
    with pytest.raises(InputError, match='is a folder'):
        ConfusionFiles(str(tmp_path / 'x.png'), None)
