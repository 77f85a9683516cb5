"""maskclip test --method: training-free methods without a config, as a user runs them."""

import json

import pytest

from helpers.cases import cases
from helpers.tools import assert_bad_input

TOOL = 'tools/test.py'
TINY = ('--dataset', 'tinyworld', '--clip', 'TinyViT')


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _options(world):
    return ['--cfg-options', f'data.test.data_root={world}', 'data.workers_per_gpu=0',
            'data.test.split=ImageSets/Segmentation/two.txt']


@pytest.fixture
def world(tiny_world):
    """Two scenes suffice."""
    names = (tiny_world / 'ImageSets/Segmentation/val.txt').read_text().split()[:2]
    (tiny_world / 'ImageSets/Segmentation/two.txt').write_text('\n'.join(names) + '\n')
    return tiny_world


def _metrics(folder):
    record, = folder.glob('eval_*.json')
    return json.loads(record.read_text())


@pytest.mark.usefixtures('in_folder')
def test_a_method_runs_and_its_config_runs_again(call_tool, world, tmp_path):
    done = call_tool(TOOL, '--method', 'naclip', *TINY, 'TinyViT', '--eval', 'mIoU', '--show-dir',
                     'drawn', '--save-config', 'mine.py', *_options(world))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'drawn').iterdir())) == 2
    record = _metrics(tmp_path / 'work_dirs/heads_naclip_tinyworld_tinyworld_tinyvit')
    assert record['composed'] == {
        'method': 'naclip', 'protocol': 'tinyworld', 'dataset': 'tinyworld', 'clip': 'TinyViT',
        'settings': 'configs/heads/methods/naclip.py'}
    assert record['model']['test_cfg']['crop_size'] == [128, 128]
    assert (tmp_path / 'mine.py').read_text().startswith(
        '# maskclip test --method naclip --protocol tinyworld --dataset tinyworld --clip TinyViT\n')
    # What --cfg-options changed is in the file.
    done = call_tool(TOOL, 'mine.py', 'TinyViT', '--eval', 'mIoU', '--work-dir', 'again')
    assert done.returncode == 0, done.stderr
    again = _metrics(tmp_path / 'again')
    assert again['metric'] == pytest.approx(record['metric'], nan_ok=True)
    assert 'composed' not in again


@pytest.mark.usefixtures('in_folder')
def test_a_config_is_saved_without_a_checkpoint(call_tool, tmp_path):
    words = ('--method', 'resclip', '--protocol', 'sclip', '--dataset', 'voc21', '--save-config')
    done = call_tool(TOOL, *words, 'made/mine.py')
    assert done.returncode == 0, done.stderr
    assert "vocabulary='sclip_voc21'" in (tmp_path / 'made/mine.py').read_text()
    assert not (tmp_path / 'work_dirs').exists()
    assert_bad_input(call_tool(TOOL, *words, 'made/mine.py'), 'made/mine.py is there already')
    assert_bad_input(call_tool(TOOL, *words, 'mine.json'), 'mine.json', 'ending in .py')


NACLIP = ('--method', 'naclip', '--dataset', 'voc21')


@cases('words, said', [
    (('--method', 'nacilp', '--dataset', 'voc21', 'w.pt'), ["'nacilp', did you mean 'naclip'"]),
    (('--method', 'naclip', '--dataset', 'voc', 'w.pt'), ["unknown data set 'voc'", 'tinyworld']),
    ((*NACLIP, '--protocol', 'x', 'w.pt'), ["unknown protocol 'x'", 'clearclip, itaclip']),
    (('--method', 'itaclip', '--dataset', 'ade20k', 'w.pt'), ['clearclip, naclip, scclip or']),
    ((*NACLIP, '--clip', 'RN50', 'w.pt'), ['RN50 is a ResNet']),
    (('--method', 'naclip', 'w.pt'), ['needs --dataset NAME, one of ade20k, ']),
    ((*NACLIP, 'c.py', 'w.pt'), ['leave out either --method or c.py']),
    (NACLIP, ['--method naclip needs CHECKPOINT']),
    ((), ['expected CONFIG and CHECKPOINT, got neither']),
    (('c.py',), ['expected CONFIG and CHECKPOINT, got c.py']),
    (('--protocol', 'sclip', 'c.py', 'w.pt'), ['--protocol needs --method NAME']),
    (('--save-config', 'x.py', 'c.py', 'w.pt'), ['--save-config needs --method NAME']),
    (('none.py', '--work-dir', 'x', 'w.pt'), ['config none.py']),
    (('a', 'b', 'c'), ['unrecognized arguments: c']),
    ((*NACLIP, 'w.pt', '--cfg-options', 'modell.x=1'), [
        'the config of --method naclip --protocol naclip --dataset voc21', "'model'"]),
    ((*NACLIP, 'w.pt', '--img-dir', '.'), ['not on VOC21Dataset']),
])
def test_what_does_not_go_together_is_told(words, said, call_tool):
    assert_bad_input(call_tool(TOOL, *words, '--eval', 'mIoU'), *said)


def test_a_checkpoint_without_a_task_is_told(call_tool):
    assert_bad_input(call_tool(TOOL, *NACLIP, 'w.pt', '--save-config', 'x.py'),
                     'nothing to do with the checkpoint')
    assert_bad_input(call_tool(TOOL, *NACLIP, 'w.pt'), 'nothing to do')
