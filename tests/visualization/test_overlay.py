import json
import os

import cv2
import numpy as np
import pytest

from mmseg_maskclip.engine.comparison import records_table
from mmseg_maskclip.utils import InputError
from mmseg_maskclip.visualization.overlay import add_legend, classes_present, colour_map, overlay

PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_colours_are_rgb_in_the_palette_and_bgr_in_the_picture():
    labels = np.array([[0, 1], [2, 255]])
    assert colour_map(labels, np.array(PALETTE)).tolist() == [
        [[0, 0, 255], [0, 255, 0]], [[255, 0, 0], [0, 0, 0]]]


def test_overlay_blends_by_opacity():
    picture = np.full((1, 1, 3), 100, np.uint8)
    assert overlay(picture, np.array([[1]]), PALETTE, 0.25).tolist() == [[[75, 139, 75]]]
    with pytest.raises(InputError, match='opacity is 0'):
        overlay(picture, np.array([[1]]), PALETTE, 0)


def test_legend_lists_what_is_there_largest_first():
    labels = np.zeros((40, 50), int)
    labels[:30] = 2
    labels[0, 0] = 1
    assert classes_present(labels, 3) == [2, 0]  # one pixel of 2000 is a speck
    drawing = np.zeros((40, 200, 3), np.uint8)
    shown = add_legend(drawing, [2, 0], ['red', 'green', 'blue'], PALETTE)
    legend = shown[40:]
    assert shown.shape[1] == 200 and len(legend) > 0
    assert (legend == (255, 0, 0)).all(2).sum() > 100
    assert (legend == (0, 0, 255)).all(2).sum() > 100
    assert not (legend == (0, 255, 0)).all(2).any()


def test_long_legends_wrap():
    names = [f'a rather long class name {i}' for i in range(5)]
    drawing = np.zeros((10, 220, 3), np.uint8)
    shown = add_legend(drawing, range(5), names, [[9, 9, 9]] * 5)
    assert shown.shape[0] >= 10 + 5 * 20


def test_comparison_shows_image_labels_and_truth(tiny_world, tiny_rn, tmp_path, call_tool):
    done = call_tool('tools/compare.py', '--model', 'MaskCLIP',
                     'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py', tiny_rn, '--num', 2,
                     '--out', tmp_path / 'grid.png', '--cfg-options',
                     f'data.test.data_root={tiny_world}')
    assert done.returncode == 0, done.stderr
    grid = cv2.imread(str(tmp_path / 'grid.png'))
    assert grid.shape[1] == 3 * 192 + 2 * 4
    image, labels, truth = (grid[24:216, left:left + 192].astype(int) for left in (0, 196, 392))
    assert np.abs(labels - truth).mean() < np.abs(labels - image).mean()
    done = call_tool('tools/compare.py', '--model', 'x', 'gone.py', tiny_rn, '--out',
                     tmp_path / 'x.png')
    assert done.returncode == 2 and 'gone.py' in done.stderr


def test_newest_figures_of_several_work_dirs_in_one_table(tmp_path):
    for name, figures in (('a', {'mIoU': 0.5, 'aAcc': 0.25}), ('b', {'mIoU': None, 'aAcc': 1.0})):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'eval_single_scale_1.json').write_text(json.dumps({'metric': figures}))
    old = tmp_path / 'a/eval_multi_scale_0.json'
    old.write_text(json.dumps({'metric': {'mIoU': 0.9}}))
    os.utime(old, (1, 1))
    folders = [str(tmp_path / 'a'), str(tmp_path / 'b')]
    lines = records_table(['MaskCLIP', 'MaskCLIP+'], folders).splitlines()
    assert [cell.strip() for cell in lines[1].split('|')[1:-1]] == ['model', 'mIoU', 'aAcc']
    assert [cell.strip() for cell in lines[3].split('|')[1:-1]] == ['MaskCLIP', '50.0', '25.0']
    assert [cell.strip() for cell in lines[4].split('|')[1:-1]] == ['MaskCLIP+', '', '100.0']
    with pytest.raises(InputError, match='2 folders for 1 models'):
        records_table(['x'], folders)
    with pytest.raises(InputError, match='holds no metrics'):
        records_table(['x'], [str(tmp_path)])
