"""Several split files or folders in testing and in the evaluation of a training run."""

import json
import shutil

import pytest

from helpers.tools import ROOT, assert_bad_input
from helpers.training import write_training_config

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
SPLIT = 'ImageSets/Segmentation'


@pytest.fixture(scope='module')
def world(tiny_world, tmp_path_factory):
    """The world with its validation list cut into two."""
    world = tmp_path_factory.mktemp('joined') / 'world'
    shutil.copytree(tiny_world, world)
    names = (world / SPLIT / 'val.txt').read_text().split()
    for part, some in (('first', names[:2]), ('second', names[2:])):
        (world / SPLIT / f'{part}.txt').write_text('\n'.join(some) + '\n')
    return world


def _test(call_tool, config, weights, world, folder, *more):
    done = call_tool('tools/test.py', config, weights, '--eval', 'mIoU', '--work-dir', folder,
                     '--show-dir', folder / 'drawn', '--cfg-options', 'data.workers_per_gpu=0',
                     f'data.test.data_root={world}', *more)
    if done.returncode:
        return done
    return json.loads(next(folder.glob('eval_*.json')).read_text())['metric']


def test_two_lists_score_as_one(world, tiny_rn, call_tool, tmp_path):
    whole = _test(call_tool, CONFIG, tiny_rn, world, tmp_path / 'whole')
    lists = f'data.test.split=[{SPLIT}/first.txt,{SPLIT}/second.txt]'
    found = _test(call_tool, CONFIG, tiny_rn, world, tmp_path / 'parts', lists)
    assert found == whole and found['mIoU'] > 0.5
    drawn = sorted(path.relative_to(tmp_path / 'parts/drawn').parts[0]
                   for path in (tmp_path / 'parts/drawn').rglob('*.jpg'))
    assert drawn == ['0'] * 2 + ['1'] * 4
    done = _test(call_tool, CONFIG, tiny_rn, world, tmp_path / 'own', lists,
                 'data.test.separate_eval=True')
    assert_bad_input(done, 'separate_eval=True is not possible')


def test_list_of_sets_takes_the_flags(world, tiny_rn, call_tool, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = {str(CONFIG)!r}\n"
        "part = dict(type='TinyWorldDataset', img_dir='JPEGImages',\n"
        f"            pipeline={{{{_base_.test_pipeline}}}}, ann_dir='SegmentationClass', "
        f"data_root={str(world)!r})\n"
        f"data = dict(workers_per_gpu=0, test=[dict(split='{SPLIT}/first.txt', **part),\n"
        f"                                     dict(split='{SPLIT}/second.txt', **part)])\n")
    done = call_tool('tools/test.py', config, tiny_rn, '--eval', 'mIoU', '--work-dir',
                     tmp_path / 'run', '--img-scale', '128', '128', '--corruption',
                     'gaussian_noise')
    assert done.returncode == 0, done.stderr
    record = json.loads(next((tmp_path / 'run').glob('eval_*.json')).read_text())
    assert [part['pipeline'][1]['type'] for part in record['data']] == ['Corrupt'] * 2
    assert [part['pipeline'][2]['img_scale'] for part in record['data']] == [[128, 128]] * 2
    done = call_tool('tools/test.py', config, tiny_rn, '--out', tmp_path / 'x.pkl', '--img-dir',
                     world / 'JPEGImages')
    assert_bad_input(done, '--img-dir needs a config on a folder of images')


def test_training_evaluates_two_lists_as_one(world, call_tool, tmp_path):
    config = write_training_config(tmp_path / 'config.py', world, 1)
    lists = f'data.val.split=[{SPLIT}/first.txt,{SPLIT}/second.txt]'
    for name, more in (('whole', []), ('parts', [lists]),
                       ('own', [lists, 'data.val.separate_eval=True'])):
        done = call_tool('tools/train.py', config, '--work-dir', tmp_path / name, '--seed', '0',
                         '--cfg-options', 'evaluation.interval=1',
                         *([] if name == 'own' else ['evaluation.save_best=mIoU']), *more)
        assert done.returncode == 0, done.stderr
    whole, parts, own = (json.loads((tmp_path / name / 'evaluations.json').read_text())['1']
                         for name in ('whole', 'parts', 'own'))
    assert parts['metrics'] == whole['metrics']
    assert parts['best']['best_score'] == whole['metrics']['mIoU']
    assert {'0_mIoU', '1_mIoU'} <= set(own['metrics'])
