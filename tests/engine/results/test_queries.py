"""--show-queries of tools/test.py: sheets of heat maps."""

import json

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.inference import label_sample, picture_of
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.visualization.queries import draw_queries

import helpers.calibrated  # noqa: F401
from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
CALIBRATED = 'model.type=CalibratedMaskClip'


@pytest.fixture
def run(tiny_world, tiny_rn, tmp_path, call_tool):
    def run(*flags, options=(CALIBRATED,)):
        return call_tool('tools/test.py', CONFIG, tiny_rn, '--work-dir', tmp_path / 'work',
                         *flags, '--cfg-options', f'data.test.data_root={tiny_world}',
                         'data.workers_per_gpu=0', *options)
    return run


@torch.no_grad()
def _plain_sheets(world, weights):
    """Sheets from scores at full size, of a model that never had an offset."""
    config = load_config(str(CONFIG), {'data.test.data_root': str(world),
                                       'model.type': 'CalibratedMaskClip'})
    dataset, model, seen = build_test_dataset(config), build_model(config).eval(), []
    load_weights(model, str(weights))
    model.seen_offset = 0.0
    model.watch(lambda views, labels: seen.append(views))
    for index, info in enumerate(dataset.img_infos):
        sample = dataset[index]
        size = label_sample(model, sample, torch.device('cpu')).shape
        full = torch.stack([view.scores.tile(0, size[0], 0, size[1]) for view in seen.pop()])
        full = full.mean(0).permute(2, 0, 1)
        small = F.interpolate(full[None], (180, 180), mode='area')[0]
        yield info['filename'], draw_queries(picture_of(sample, (180, 180)), small.numpy(),
                                             full.flatten(1).amax(1).numpy(), dataset.CLASSES)


def test_sheets_show_the_scores_without_the_offset(run, tiny_world, tiny_rn, tmp_path,
                                                   monkeypatch):
    from mmseg_maskclip.ops import label_maps
    # Tiles that meet within panels; areas that do not end at pixels.
    monkeypatch.setattr(label_maps, 'TILE_BYTES_CPU', 4 * 14 * 61**2)
    done = run('--show-queries', tmp_path / 'drawn', '--eval', 'mIoU')
    assert done.returncode == 0, done.stderr
    for filename, expected in _plain_sheets(tiny_world, tiny_rn):
        found = cv2.imread(str(tmp_path / 'drawn' / filename.replace('.jpg', '.png')))
        assert found.shape == expected.shape
        # 'area' of torch rounds its areas to pixels, hence not the same to the last level.
        assert np.abs(found.astype(int) - expected).mean() < 1
    assert len(list((tmp_path / 'drawn').iterdir())) == 6
    record, = (tmp_path / 'work').glob('eval_*.json')
    assert json.loads(record.read_text())['metric']['mIoU'] > 0.5


def test_it_is_enough_to_do_and_joined_sets_have_folders_of_their_own(run, tmp_path):
    lists = 'data.test.split=[ImageSets/Segmentation/val.txt,ImageSets/Segmentation/train.txt]'
    done = run('--show-queries', tmp_path / 'drawn', options=[CALIBRATED, lists])
    assert done.returncode == 0, done.stderr
    counts = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / 'drawn').iterdir()}
    assert counts == {'0': 6, '1': 4}


@cases('flags, options, words', [
    ([], [], ['needs a ZegClip model, got MaskClip']),
    (['--show-dir', '{drawn}'], [CALIBRATED], ['--show-dir both write to']),
    (['--format-only', '--eval-options', 'imgfile_prefix={drawn}'], [CALIBRATED],
     ['--format-only both write to']),
    (['--eval', 'mIoU', '--corruption', 'all15'], [CALIBRATED], ['all15', '--show-queries']),
    ([], [CALIBRATED, 'data.test.classes=[sky,sand]'], ['14 classes', 'TinyWorldDataset 2']),
])
def test_what_does_not_go_is_told_before_the_run(flags, options, words, run, tmp_path):
    drawn = tmp_path / 'drawn'
    done = run('--show-queries', drawn, *[flag.format(drawn=drawn) for flag in flags],
               options=options)
    assert_bad_input(done, *words)
    assert 'test:' not in done.stderr, 'the progress bar'


def test_pictures_of_the_data_set_are_not_mixed_with_sheets(run, tiny_world):
    assert_bad_input(run('--show-queries', tiny_world / 'JPEGImages/drawn'),
                     '--show-queries', 'image folder')
    assert not (tiny_world / 'JPEGImages/drawn').exists()
