"""The configs of docs/custom_data.md, run as they stand there, but with small models and images."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from helpers.tools import ROOT, run_tool

PAGE = (ROOT / 'docs/custom_data.md').read_text()
#: What is exchanged for the embedded world: models, steps, and names its CLIP knows.
SMALL = {'maskclip_vit16.py': 'maskclip_tinyrn.py',
         'maskclip_plus_vit16_deeplabv2_r101-d8.py': 'maskclip_plus_tinyrn_deeplabv2_tiny.py',
         'schedule_4k.py': 'schedule_400_tinyworld.py', "'road'": "'sand'", "'field'": "'grass'"}


def block(name):
    """A Python block of the page by the file name in its first line."""
    found = re.search(rf'```python\n(# {re.escape(name)}\n.*?)```', PAGE, re.DOTALL)
    assert found, name
    text = found[1]
    for old, new in SMALL.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def project(tiny_world, tmp_path, monkeypatch):
    """A folder with the page's files, and four training and two validation images."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'my_project').mkdir()
    (tmp_path / 'my_project/datasets.py').write_text(block('my_project/datasets.py'))
    for name in ('my_config', 'my_training', 'my_labelled', 'my_partly_labelled', 'my_unlabelled'):
        (tmp_path / f'{name}.py').write_text(block(f'{name}.py'))
    for kind in ('images', 'labels'):
        for part in ('train', 'val'):
            (tmp_path / 'data/mine' / kind / part).mkdir(parents=True)
    for number, image in enumerate(sorted((tiny_world / 'JPEGImages').iterdir())[:6]):
        part = 'train' if number < 4 else 'val'
        (tmp_path / f'data/mine/images/{part}/{image.name}').write_bytes(image.read_bytes())
        label = np.array(Image.open(tiny_world / f'SegmentationClass/{image.stem}.png'))
        Image.fromarray(label % 3).save(tmp_path / f'data/mine/labels/{part}/{image.stem}.png')
    return tmp_path


def run(project, tool, config, *args, evaluated=True):
    more = ['runner.max_iters=2', 'checkpoint_config.interval=2', 'log_config.interval=1',
            *(['evaluation.interval=2'] if evaluated else [])] if tool.endswith('train.py') else []
    done = run_tool(tool, config, *args, '--cfg-options', 'data.samples_per_gpu=2',
                    'data.workers_per_gpu=0', *more, cwd=project)
    assert done.returncode == 0, done.stderr
    assert 'nothing reads' not in done.stdout + done.stderr
    return done


def log(project, name):
    path, = (project / 'work_dirs' / name).glob('*.log.json')
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line.get('mode') == 'train']


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'labels'), [
    ('my_labelled', 4), ('my_partly_labelled', 1), ('my_unlabelled', 0)])
def test_training_configs(name, labels, project):
    """Trains with as many labels as the page says, tests, and says what the teacher labelled."""
    for path in sorted((project / 'data/mine/labels/train').iterdir())[labels:]:
        path.unlink()
    evaluated = name != 'my_unlabelled'
    run(project, 'tools/train.py', f'{name}.py', '--seed', 0, evaluated=evaluated)
    steps = log(project, name)
    assert len(steps) == 2 and all(np.isfinite(step['loss']) for step in steps)
    shares = [step.get('decode.filled_clip') for step in steps]
    if labels == 4:
        assert shares == [None, None]
    else:
        assert np.mean(shares) > 0.1
    checkpoint = f'work_dirs/{name}/latest.pth'
    if evaluated:
        run(project, 'tools/test.py', f'{name}.py', checkpoint, '--eval', 'mIoU')
        return
    run(project, 'tools/test.py', f'{name}.py', checkpoint, '--show-dir', 'drawn', '--format-only')
    assert len(list((project / 'drawn').iterdir())) == 2
    assert len(list((project / f'work_dirs/{name}/format_results').glob('*.png'))) == 2


def test_testing_config_and_comparison(project):
    for path in (project / 'data/mine/images').glob('*/*'):
        path.rename(path.parents[1] / path.name)
    for path in (project / 'data/mine/labels').glob('*/*'):
        path.rename(path.parents[1] / path.name)
    run(project, 'tools/test.py', 'my_config.py', 'TinyRN', '--eval', 'mIoU')
    run(project, 'tools/compare.py', '--out', 'grid.png', '--num', 2, '--model', 'MaskCLIP',
        'my_config.py', 'TinyRN', '--records', 'work_dirs/my_config')
    assert (project / 'grid.png').is_file()
