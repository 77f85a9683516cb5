"""Training and testing say it when labels can't be right."""

import shutil

import numpy as np
import pytest
from PIL import Image

from helpers.tools import ROOT
from helpers.training import write_training_config
from helpers.voc_tree import write_labels

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
ODD = 'they hold the ids 0 and 255 alone in'


@pytest.fixture(scope='module')
def masks(tiny_world, tmp_path_factory):
    """The world with black and white masks: class 0 and all else."""
    world = tmp_path_factory.mktemp('masks') / 'world'
    shutil.copytree(tiny_world, world)
    for path in (world / 'SegmentationClass').iterdir():
        ids = np.array(Image.open(path))
        ids[:128] = 0
        write_labels(path, np.where(ids == 0, 0, 255))
    return world


def test_training_warns_once_before_it_starts(masks, call_tool, tmp_path):
    config = write_training_config(tmp_path / 'config.py', masks, 1)
    done = call_tool('tools/train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options',
                     'data.train.unlabelled=None', 'model.labelling=None')
    assert done.returncode == 0, done.stderr
    text = next((tmp_path / 'run').glob('*.log')).read_text()
    for part, files in (('train', 4), ('val', 6)):
        assert text.count(f'data.{part}: {ODD} {files} label files') == 1
    assert text.index(ODD) < text.index('Iter [1/1]')


def test_right_labels_are_no_matter(tiny_world, tiny_rn, call_tool, tmp_path):
    done = call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                     '--cfg-options', f'data.test.data_root={tiny_world}',
                     'data.workers_per_gpu=0')
    assert done.returncode == 0 and 'usual cause' not in done.stdout + done.stderr


def test_testing_warns_beside_the_metrics(masks, tiny_rn, call_tool, tmp_path):
    done = call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                     '--cfg-options', f'data.test.data_root={masks}', 'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if 'usual cause' in line]
    names = (masks / 'ImageSets/Segmentation/val.txt').read_text().split()
    labels = [np.array(Image.open(masks / f'SegmentationClass/{name}.png')) for name in names]
    share = 100 * np.mean(np.stack(labels) == 255)
    assert len(said) == 1
    assert "'grass' is the only class in 6 label files" in said[0]
    assert f'ignored {share:.1f} %' in said[0] and '255, which is ignored' in said[0]
