"""Predict, correct, train, predict: the steps of docs/predict.md, with a small model."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene

from helpers.tools import ROOT, run_tool

PAGE = (ROOT / 'docs/predict.md').read_text()
WORDS = ['sky', 'bricks', 'ladybird']
SMALL = {'maskclip_plus_vit16_deeplabv2_r101-d8.py': 'maskclip_plus_tinyrn_deeplabv2_tiny.py',
         'pascal_voc12_aug_20.py': 'tinyworld.py', 'schedule_4k.py': 'schedule_400_tinyworld.py'}


def run(project, *words):
    done = run_tool(*words, cwd=project)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_student_learns_from_corrected_labels_and_bare_pictures(tmp_path):
    text = re.search(r'```python\n(# my_student\.py\n.*?)```', PAGE, re.DOTALL)[1]
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / 'my_student.py').write_text(text)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'words.txt').write_text('\n'.join(WORDS))
    for folder in ('pictures', 'more_pictures', 'corrected'):
        (tmp_path / folder).mkdir()
    for index in range(8):
        folder = 'pictures' if index < 6 else 'more_pictures'
        Image.fromarray(scene(0, index).image).save(tmp_path / folder / f'{index:03}.png')
    run(tmp_path, 'tools/predict.py', 'pictures', '--classes', 'words.txt', '--model', 'TinyRN',
        '--formats', 'png', 'labelme', '--out', 'out')
    # Two are corrected: here by what the scenes say.
    for name in ('000', '001'):
        path = tmp_path / 'corrected' / f'{name}.png'
        shutil.copy(tmp_path / f'out/annotations/{name}.png', path)
        truth = scene(0, int(name)).mask
        label = np.full_like(truth, 255)
        for index, word in enumerate(WORDS):
            label[truth == CLASSES.index(word)] = index
        Image.fromarray(label).save(path)
    run(tmp_path, 'tools/train.py', 'my_student.py', '--seed', 0, '--cfg-options',
        'data.samples_per_gpu=2', 'data.workers_per_gpu=0', 'runner.max_iters=30',
        'checkpoint_config.interval=30', 'log_config.interval=10')
    log, = (tmp_path / 'work_dirs/my_student').glob('*.log.json')
    filled = [json.loads(line).get('decode.filled_clip') for line in log.read_text().splitlines()]
    # Some pixels have labels, the teacher gives the others theirs.
    assert all(0.1 < share < 0.95 for share in filled if share is not None)
    run(tmp_path, 'tools/predict.py', 'more_pictures', '--model', 'my_student.py', '--checkpoint',
        'work_dirs/my_student/latest.pth', '--out', 'better')
    assert (tmp_path / 'better/classes.txt').read_text().split() == WORDS
    found = [np.array(Image.open(tmp_path / f'better/annotations/{name}.png'))
             for name in ('006', '007')]
    assert all(len(np.unique(labels)) > 1 and labels.max() < 3 for labels in found)
