"""tools/test.py --corruption all15, and its table."""

import json
import shutil

import pytest

from mmseg_maskclip.datasets.pipelines import BENCHMARK
from mmseg_maskclip.engine.results.corruptions import corruption_table

from helpers.tools import ROOT, assert_bad_input

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
TOOL = 'tools/test.py'


def _options(world, *more):
    return ['--cfg-options', f'data.test.data_root={world}', 'data.workers_per_gpu=0', *more]


def _metric(folder):
    record, = folder.glob('eval_*.json')
    return json.loads(record.read_text())


def test_clean_and_all_fifteen_in_one_table(tiny_world, tiny_rn, tmp_path, call_tool):
    world, work = tmp_path / 'world', tmp_path / 'all'
    shutil.copytree(tiny_world, world)
    split = world / 'ImageSets/Segmentation/val.txt'
    split.write_text('\n'.join(split.read_text().split()[:2]) + '\n')
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', 'mDice', '--corruption', 'all15',
                     '--severity', 4, '--work-dir', work, *_options(world))
    assert done.returncode == 0, done.stderr
    table, = work.glob('corruptions_*.json')
    record = json.loads(table.read_text())
    assert record['severity'] == 4 and 'frost is drawn here' in record['note']
    assert list(record['metric']) == ['clean', *BENCHMARK]
    # Each is what a run of its own gives.
    for name, flags in (('clean', []), ('fog', ['--corruption', 'fog', '--severity', 4])):
        alone = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', 'mDice', *flags, '--work-dir',
                          tmp_path / name, *_options(world))
        assert alone.returncode == 0, alone.stderr
        expected = _metric(tmp_path / name)['metric']
        assert record['metric'][name] == {key: expected[key] for key in ('mIoU', 'mDice')}
        own = _metric(work / name)
        assert own['metric'] == expected
        assert own['corruption'] == (None if name == 'clean' else name)
    assert len({str(values) for values in record['metric'].values()}) > 12
    assert '* frost is drawn here' in done.stdout + done.stderr


def test_the_table_has_ratios_and_means():
    results = {'clean': {'mIoU': 0.5}, 'fog': {'mIoU': 0.25}, 'frost': {'mIoU': 0.1}}
    rows = [[cell.strip() for cell in line.split('|')[1:-1]]
            for line in corruption_table(results).splitlines() if line.startswith('|')]
    assert rows == [['corruption', 'mIoU', 'mIoU / clean'], ['clean', '50.00', '100.00'],
                    ['fog', '25.00', '50.00'], ['frost *', '10.00', '20.00'],
                    ['mean of 2 *', '17.50', '35.00'], ['mean of 1 (no frost)', '25.00', '50.00']]
    results['clean']['mIoU'] = 0.0
    assert '-' in corruption_table(results).splitlines()[4]


@pytest.mark.parametrize(('flags', 'words'), [
    (['--show-dir', 'drawn'], 'needs --eval'), (['--eval', 'mIoU', '--out', 'a.pkl'], '--out'),
    (['--eval', 'mIoU', '--eval-options', 'confusion=a.png'], 'confusion'),
    (['--eval', 'mIoU', '--eval-options', 'seen_offsets=0.1'], 'seen_offsets')])
def test_what_runs_would_write_over_is_refused(flags, words, tiny_world, tiny_rn, tmp_path,
                                               call_tool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call_tool(TOOL, CONFIG, tiny_rn, '--corruption', 'all15', *flags, '--work-dir',
                     tmp_path / 'work', *_options(tiny_world))
    assert_bad_input(done, 'all15', words)
    assert not list(tmp_path.rglob('*.json'))
