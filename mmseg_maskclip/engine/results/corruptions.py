"""A model under all corruptions of the benchmark, in one table."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
from mmcv import Config
from mmcv.utils import print_log
from prettytable import PrettyTable

from mmseg_maskclip.datasets.pipelines import BENCHMARK
from mmseg_maskclip.engine.overrides.pipelines import set_corruption
from mmseg_maskclip.engine.record import timestamp, unused_name, versions, write_json
from mmseg_maskclip.engine.results.options import TestOptions
from mmseg_maskclip.engine.test import test_model
from mmseg_maskclip.evaluation import METRICS, percent
from mmseg_maskclip.utils import InputError

CLEAN = 'clean'
_OWN = 'frost'
_NOTE = ("* frost is drawn here, without the benchmark's photographs: compare it, and a mean with "
         'it, within this project alone.')


def test_corruptions(config: Config, checkpoint: str, options: TestOptions,
                     severity: int) -> dict | None:
    """Test on clean images and under each of the fifteen corruptions of ImageNet-C.

    Every run leaves its record in a folder of its own below the work dir, and
    the table is written beside them.

    Args:
        config: As for :func:`test_model`.
        checkpoint: As for :func:`test_model`.
        options: With metrics, and nothing else that is written.
        severity: 1 to 5, of every corruption.

    Returns:
        ``clean`` and every corruption -> metric -> value; None in all
        processes but the main one.

    Raises:
        InputError: If options name no metric, or files that one run would
            write over the other's.
    """
    names = [name for name in options.metrics if name in METRICS]
    if not names:
        raise InputError(f'--corruption all15 needs --eval with some of {", ".join(METRICS)}.')
    if (options.out or options.show_dir or options.show_queries or options.format_only
            or {'confusion', 'seen_offsets'} & options.eval_options.keys()):
        raise InputError('--corruption all15 writes a table alone: give --out, --show-dir, '
                         '--show-queries, --format-only and --eval-options confusion or '
                         'seen_offsets with one --corruption NAME.')
    results = {}
    for number, corruption in enumerate((CLEAN, *BENCHMARK)):
        print_log(f'{corruption} ({number + 1} of {len(BENCHMARK) + 1})', 'mmseg')
        one, extra = copy.deepcopy(config), {**options.extra, 'corruption': None, 'severity': None}
        if corruption != CLEAN:
            set_corruption(one, corruption, severity)
            extra.update(corruption=corruption, severity=severity)
        folder = str(Path(options.work_dir) / corruption)
        metrics = test_model(one, checkpoint, replace(options, work_dir=folder, extra=extra))
        if metrics is not None:
            results[corruption] = {name: float(metrics.get(name, np.nan)) for name in names}
    if not results:
        return None
    table = corruption_table(results)
    print_log(f'severity {severity}:\n{table}\n{_NOTE}', 'mmseg')
    path = unused_name(Path(options.work_dir) / f'corruptions_{timestamp()}.json')
    write_json(path, {'config': config.filename, 'checkpoint': checkpoint, 'severity': severity,
                      'metric': results, 'note': _NOTE, **options.extra, 'versions': versions()})
    print_log(f'Metrics under corruptions: {path}', 'mmseg')
    return results


# By its name pytest would take it for a test wherever it is imported.
test_corruptions.__test__ = False


def corruption_table(results: Mapping[str, Mapping[str, float]]) -> str:
    """The metrics of each corruption and their ratio to clean, in percent, with the means.

    Args:
        results: What :func:`test_corruptions` returns.
    """
    metrics = list(results[CLEAN])
    table = PrettyTable(['corruption', *(title for name in metrics
                                         for title in (name, f'{name} / {CLEAN}'))])
    table.align = 'r'
    table.align['corruption'] = 'l'

    def add(title: str, parts: Sequence[str]) -> None:
        cells = []
        for name in metrics:
            value = float(np.mean([results[part][name] for part in parts]))
            clean = results[CLEAN][name]
            cells += [percent(value), percent(value / clean if clean else float('nan'))]
        table.add_row([title, *cells])

    for corruption in results:
        add(f'{corruption} *' if corruption == _OWN else corruption, [corruption])
    corrupted = [name for name in results if name != CLEAN]
    without = [name for name in corrupted if name != _OWN]
    add(f'mean of {len(corrupted)} *', corrupted)
    add(f'mean of {len(without)} (no {_OWN})', without)
    return table.get_string()
