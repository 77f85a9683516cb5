"""Trained models in the embedded world over several seeds, as one table."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from mmseg_maskclip.models.class_weight.settings import PLACES
from mmseg_maskclip.tinyworld import STUFF, THINGS
from mmseg_maskclip.utils import InputError, atomic_path, progress_bar, require_file

from docs.tables import markdown_table
from tinyworld.maskclip_table import COLUMNS

# Groups whose rows are compared with the first one.
COMPARED = ('class_weight', 'readouts')
_STEM = 'maskclip_plus_{}_tiny{}_256x256_{}_tinyworld'


@dataclass(frozen=True)
class Recipe:
    """One row of the table.

    Attributes:
        group: The table it belongs to.
        name: What the row is called.
        config: Name of a config in ``configs/tiny``.
        options: ``--cfg-options`` of it.
        start: Name of a recipe of the group that runs before, and the iteration of its
            checkpoint that this one starts from; None starts anew.
    """

    group: str
    name: str
    config: str
    options: dict = field(default_factory=dict)
    start: tuple[str, int] | None = None

    @property
    def folder(self) -> str:
        """A folder name for its runs."""
        words = f'{self.group} {self.name}'.replace('/', '-').replace('=', '')
        return '_'.join(words.replace(',', '').split())


_SHORT = {'runner.max_iters': 100, 'evaluation.interval': 100}


def _weighted(name: str, **weight: object) -> Recipe:
    return Recipe('class_weight', name, _STEM.format('tinyvit_deeplabv2', '_class_weight', 400),
                  {**_SHORT, **{f'model.class_weight.{key}': value
                                for key, value in weight.items()}})


def _taught(name: str, method: str = '') -> Recipe:
    return Recipe('readouts', name, f'maskclip_plus_{method}tinyvit8_deeplabv2_tiny_128x128_400_'
                                    'tinyworld')


_ZEGCLIP = 'zegclip_{}tinyvit8_128x128_{}_tinyworld'
RECIPES = (
    Recipe('students', 'DeepLabv2', _STEM.format('tinyrn_deeplabv2', '', 400)),
    Recipe('students', 'SegFormer', _STEM.format('tinyrn_segformer', '', 600)),
    Recipe('zero_shot', 'seen classes alone', _STEM.format('tinyrn_deeplabv2', '_seen', 400)),
    Recipe('zero_shot', 'zero-shot', _STEM.format('tinyrn_deeplabv2', '_zero_shot', 400)),
    Recipe('class_weight', 'none', _STEM.format('tinyvit_deeplabv2', '', 400), _SHORT),
    *(_weighted(f'softmax, tau=1, {on}', mode='softmax', tau=1.0, on=on)
      for on in PLACES),
    *(_weighted(f'softmax, tau={tau}, {on}', mode='softmax', tau=tau, on=on)
      for tau in (0.5, 2) for on in ('student', 'teacher')),
    *(_weighted(f'log_prior, tau={tau}, {on}', mode='log_prior', tau=tau, on=on)
      for tau in (0.02, 0.1) for on in PLACES),
    *(_weighted(f'gate, cw=1.1, {on}', mode='gate', cw=1.1, on=on) for on in PLACES),
    _taught('MaskCLIP'), _taught('CLIP Surgery', 'surgery_'), _taught('GEM', 'gem_'),
    _taught('SC-CLIP', 'scclip_'),
    Recipe('zegclip', 'ZegCLIP, inductive', _ZEGCLIP.format('', 800)),
    Recipe('zegclip', 'the same without prompts', _ZEGCLIP.format('no_prompts_', 800)),
    Recipe('zegclip', 'MaskCLIP+, zero-shot',
           'maskclip_plus_tinyvit8_deeplabv2_tiny_zero_shot_128x128_400_tinyworld'),
    Recipe('zegclip', 'ZegCLIP, supervised', _ZEGCLIP.format('supervised_', 800)),
    # Last: with several jobs, what it starts from has been trained by then.
    Recipe('zegclip', 'ZegCLIP, transductive', _ZEGCLIP.format('transductive_', 400),
           start=('ZegCLIP, inductive', 400)),
)


def train_all(root: Path, work_dir: Path, recipes: Sequence[Recipe], seeds: Sequence[int],
              jobs: int, options: Sequence[str] = ()) -> list[dict]:
    """Train recipes with several seeds, each run in a process of its own.

    A run that was finished before with the same options is not repeated; one
    that was interrupted goes on.

    Args:
        root: The project's root.
        work_dir: Where the runs go.
        recipes: Some of :data:`RECIPES`.
        seeds: Seeds of each.
        jobs: Runs at a time, each with its share of the cores.
        options: Further ``--cfg-options`` of all runs.

    Returns:
        One dict a recipe: group, name, mean and standard deviation of each
        metric in percent, and of the mIoU's gain over the first recipe, seed
        by seed.

    Raises:
        InputError: If a run fails.
    """
    runs = [(recipe, seed) for recipe in recipes for seed in seeds]
    with progress_bar(len(runs), 'training', 'run') as bar, ThreadPoolExecutor(jobs) as pool:
        def one(run: tuple[Recipe, int]) -> dict:
            metrics = _train(root, work_dir, *run, jobs, options)
            bar.update(1)
            return metrics

        found = list(pool.map(one, runs))
    rows = []
    for recipe in recipes:
        own = [metrics for metrics, run in zip(found, runs) if run[0] is recipe]
        rows.append({'group': recipe.group, 'name': recipe.name, 'seeds': len(own), **{
            column: _mean_and_spread([metrics[column] for metrics in own])
            for column in COLUMNS}})
        gains = [metrics['mIoU'] - first['mIoU'] for metrics, first in zip(own, found)]
        rows[-1]['gain'] = _mean_and_spread(gains)
    return rows


def tag_of(recipe: Recipe, options: Sequence[str] = ()) -> str:
    """Other options, other folder: no run goes on with a checkpoint of another.

    Args:
        recipe: Its own options count.
        options: And these of all runs.
    """
    words = json.dumps([recipe.options, list(options)])
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def folder_of(work_dir: Path, recipe: Recipe, seed: int, options: Sequence[str] = ()) -> Path:
    """Where a run goes.

    Args:
        work_dir: Where all of them go.
        recipe: What it trains.
        seed: Its seed.
        options: Further ``--cfg-options`` of all runs.
    """
    return work_dir / recipe.folder / tag_of(recipe, options) / str(seed)


def _start(work_dir: Path, recipe: Recipe, seed: int, options: Sequence[str]) -> list[str]:
    """The flags by which a run starts from an earlier one of the same seed."""
    if recipe.start is None:
        return []
    name, iteration = recipe.start
    before = next(one for one in RECIPES if (one.group, one.name) == (recipe.group, name))
    path = folder_of(work_dir, before, seed, options) / f'iter_{iteration}.pth'
    return ['--load-from', str(require_file(
        path, 'the checkpoint to start from', f'Train {name!r} with seed {seed} first.'
    ).resolve())]


def _train(root: Path, work_dir: Path, recipe: Recipe, seed: int, jobs: int,
           options: Sequence[str]) -> dict:
    folder = folder_of(work_dir, recipe, seed, options)
    finished = folder / 'finished'
    if not finished.is_file():
        words = [f'{key}={value}' for key, value in recipe.options.items()]
        kept = -1 if any(one.start and one.start[0] == recipe.name for one in RECIPES) else 1
        command = [sys.executable, 'tools/train.py', f'configs/tiny/{recipe.config}.py',
                   '--work-dir', str(folder.resolve()), '--seed', str(seed), '--auto-resume',
                   *_start(work_dir, recipe, seed, options),
                   '--cfg-options', f'checkpoint_config.max_keep_ckpts={kept}', *words, *options]
        threads = str(max((os.cpu_count() or 1) // jobs, 1))
        done = subprocess.run(command, cwd=root, text=True, capture_output=True,
                              env={**os.environ, 'OMP_NUM_THREADS': threads})
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ['no word'])[-1]
            raise InputError(f'the run {folder} failed: {last}')
        with atomic_path(finished) as temporary:
            temporary.touch()
    path = require_file(folder / 'evaluations.json', 'record of evaluations',
                        'Set evaluation.interval to at most runner.max_iters.')
    record = json.loads(path.read_text(encoding='utf-8'))
    return _metrics(record[max(record, key=int)]['metrics'])


def _metrics(metrics: dict) -> dict:
    for name, classes in (('things', THINGS), ('stuff', STUFF)):
        metrics[name] = statistics.mean(metrics.get(f'IoU.{one}', 0.0) for one in classes)
    return {column: 100 * metrics.get(column, 0.0) for column in COLUMNS}


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def training_markdown(rows: Sequence[dict]) -> str:
    """Mean and standard deviation of each row as a Markdown table, one decimal.

    Args:
        rows: Of :func:`train_all`; in :data:`COMPARED` groups gains over the first one are a
            column.
    """
    columns = [*COLUMNS, 'gain'] if rows[0]['group'] in COMPARED else COLUMNS
    return markdown_table(['', *columns], (
        [row['name'], *('{:.1f} ± {:.1f}'.format(*row[name]) for name in columns)]
        for row in rows), numbers=columns)
