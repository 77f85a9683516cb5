"""The tables of trained students: one real run, and what is made of its figures."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mmseg_maskclip.utils import InputError

from helpers.tools import fork_python
from tinyworld import training_table
from tinyworld.training_table import (
    RECIPES,
    folder_of,
    tag_of,
    train_all,
    training_markdown,
)

ROOT = Path(__file__).parents[2]


def test_recipes_name_configs_that_exist_and_folders_of_their_own():
    assert all((ROOT / f'configs/tiny/{recipe.config}.py').is_file() for recipe in RECIPES)
    assert len({recipe.folder for recipe in RECIPES}) == len(RECIPES)


def test_run_is_trained_once_and_again_with_other_options(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(training_table.subprocess, 'run', fork_python)
    recipe = next(one for one in RECIPES if one.name == 'seen classes alone')
    options = [f'data.{part}.data_root={tiny_world}' for part in ('train', 'val')]
    options += ['runner.max_iters=1', 'evaluation.interval=1', 'data.samples_per_gpu=2',
                'data.workers_per_gpu=0']
    rows = train_all(ROOT, tmp_path, [recipe], [0], 1, options)
    assert rows[0]['seeds'] == 1 and 0 <= rows[0]['mIoU'][0] <= 100
    logs = set(tmp_path.rglob('*.log'))
    assert train_all(ROOT, tmp_path, [recipe], [0], 1, options) == rows
    assert set(tmp_path.rglob('*.log')) == logs and len(logs) == 1
    broken = replace(recipe, options={'optimizer.type': 'Nothing'})
    with pytest.raises(InputError, match='failed: error: .*Nothing'):
        train_all(ROOT, tmp_path, [broken], [0], 1, options)


@pytest.mark.slow
def test_a_recipe_starts_from_another_of_its_seed(tiny_world, tmp_path, monkeypatch):
    commands = []

    def run(command, **kwargs):
        commands.append(command)
        return fork_python(command, **kwargs)

    monkeypatch.setattr(training_table.subprocess, 'run', run)
    last = next(one for one in RECIPES if one.name == 'ZegCLIP, transductive')
    first = next(one for one in RECIPES if one.name == last.start[0])
    last = replace(last, start=(first.name, 1))
    monkeypatch.setattr(training_table, 'RECIPES', (first, last))
    options = [f'data.{part}.data_root={tiny_world}' for part in ('train', 'val')]
    options += ['runner.max_iters=2', 'evaluation.interval=2', 'data.samples_per_gpu=1',
                'data.workers_per_gpu=0', 'checkpoint_config.interval=1', 'total_batch_size=1',
                'lr_config.warmup_iters=1', 'model.test_cfg.mode=whole']
    with pytest.raises(InputError, match='Train .ZegCLIP, inductive. with seed 0 first'):
        train_all(ROOT, tmp_path, [last], [0], 1, options)
    assert len(train_all(ROOT, tmp_path, [first, last], [0], 1, options)) == 2
    start = commands[-1][commands[-1].index('--load-from') + 1]
    assert start == str(folder_of(tmp_path, first, 0, options) / 'iter_1.pth')


def test_run_without_an_evaluation_is_told(tmp_path):
    folder = tmp_path / RECIPES[0].folder / tag_of(RECIPES[0]) / '0'
    folder.mkdir(parents=True)
    (folder / 'finished').touch()
    with pytest.raises(InputError, match=r'evaluations\.json does not exist.*evaluation\.interval'):
        train_all(ROOT, tmp_path, RECIPES[:1], [0], 1)


def test_table_shows_mean_and_spread():
    figures = dict.fromkeys(('mIoU', 'things', 'stuff', 'aAcc', 'mIoU(S)', 'mIoU(U)', 'hIoU'),
                            (85.04, 0.25))
    assert '| DeepLabv2 | 85.0 ± 0.2 |' in training_markdown(
        [{'group': 'students', 'name': 'DeepLabv2', **figures}])


def test_gain_is_seed_by_seed(tmp_path):
    """Two recipes whose runs are there already, of seeds that differ by far."""
    recipes = [one for one in RECIPES if one.group == 'class_weight'][:2]
    for recipe, extra in zip(recipes, (0.0, 0.02)):
        for seed, value in ((0, 0.3), (1, 0.5)):
            folder = tmp_path / recipe.folder / tag_of(recipe) / str(seed)
            folder.mkdir(parents=True)
            (folder / 'finished').touch()
            (folder / 'evaluations.json').write_text(json.dumps(
                {'9': {'metrics': {'mIoU': value + extra}}}))
    rows = train_all(ROOT, tmp_path, recipes, [0, 1], 1)
    assert rows[1]['gain'] == pytest.approx((2.0, 0.0))
    first, second = re.sub(' +', ' ', training_markdown(rows)).splitlines()[2:]
    assert first.startswith('| none | 40.0 ± 14.1 |') and first.endswith('| 0.0 ± 0.0 |')
    assert second.startswith('| softmax, tau=1, student | 42.0 ±') and '| 2.0 ± 0.0 |' in second
