"""Outcomes as printed lines, as JSON and as a table for docs/benchmarks.md; without torch."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Sequence

from benchmarks.cells import cells
from gpu_checks.runner import DONE, LEFT_OUT, Outcome

_HEAD = ('what', 'ours', 'against', 'reference', 'ratio', 'goal', 'labels of fp32')
_READOUTS = ('read-out', 'operations', 'goal', 'time', 'share of a plain pass')


class Report:
    """Collects outcomes, prints them, and writes them after each part.

    Args:
        environment: What the part ``environment`` found.
        settings: Of the run, for the JSON.
        names: Of the parts that it will be told of, in the order of the table.
        path: JSON file, and beside it a ``.md``; None to print alone.
    """

    def __init__(self, environment: dict, settings: dict, names: Sequence[str],
                 path: Path | None) -> None:
        self.environment, self.settings = environment, settings
        self.names, self.path = list(names), path
        self.outcomes: list[Outcome] = []
        self._started = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Print an outcome and write the files anew."""
        self.outcomes.append(outcome)
        took = '' if outcome.status == LEFT_OUT else f' {outcome.seconds:.0f} s'
        print(f'[{len(self.outcomes)}/{len(self.names)}] {outcome.name}: {outcome.status}{took}'
              + (f': {outcome.reason}' if outcome.reason else ''), flush=True)
        for row in outcome.rows:
            print(f'    {line(row)}', flush=True)
        self.write()

    def write(self) -> None:
        """Write both files; nothing half-written is ever there."""
        if self.path is None:
            return
        from mmseg_maskclip.utils import atomic_path

        content = {**self.settings, 'complete': len(self.outcomes) == len(self.names),
                   'seconds': round(time.monotonic() - self._started, 1),
                   'environment': self.environment, 'parts': [asdict(one) for one in
                                                              self.outcomes]}
        for path, text in ((self.path, json.dumps(content, indent=2) + '\n'),
                           (self.path.with_suffix('.md'), self.markdown())):
            with atomic_path(path) as name:
                name.write_text(text, encoding='utf-8')

    def markdown(self) -> str:
        """Tables of all rows so far, and what they were measured on."""
        ordered = sorted(self.outcomes, key=lambda one: self.names.index(one.name))
        rows = [row for one in ordered for row in _rows_of(one)]
        readouts = [row for row in rows if 'ours_gflop' in row]
        parts = [describe(self.environment, bool(self.settings.get('dry_run')))]
        parts.append(_table(_HEAD, [_main(row) for row in rows if 'ours_gflop' not in row]))
        if readouts:
            parts.append(_table(_READOUTS, [_readout(row) for row in readouts]))
        return '\n\n'.join(parts) + '\n'


def describe(environment: dict, dry_run: bool) -> str:
    """One line of what the numbers were measured on."""
    versions = environment.get('versions', {})
    words = [environment.get('gpu') or 'CPU', f"driver {environment.get('driver')}",
             f"CUDA {environment.get('cuda')}", f"torch {versions.get('torch')}",
             f"{environment.get('cores')} cores"]
    if dry_run:
        return (f'Dry run at toy sizes on the CPU (torch {versions.get("torch")}): these numbers '
                'say nothing about speed.')
    return f'{", ".join(words)}; random weights, medians.'


def line(row: dict) -> str:
    """A row in one printed line."""
    if 'ours_gflop' in row:
        return (f"{row['what']}: {row['ours_s'] * 1e3:.1f} ms, {row['time_ratio']:.2f} of a plain "
                'pass')
    what, ours, against, reference, ratio, goal, equal = _main(row)
    text = f'{what}: {ours}'
    if against:
        text += f', {against}: {reference}, ratio {ratio}'
    return text + (f', goal {goal}' if goal else '') + (f', labels of fp32: {equal}' if equal
                                                        else '')


def _rows_of(outcome: Outcome) -> list[dict]:
    """Its rows, and one more that says why there are no others."""
    if outcome.status == DONE or any('failed' in row for row in outcome.rows):
        return outcome.rows
    return [*outcome.rows, {'what': outcome.title,
                            'found': f'{outcome.status}: {outcome.reason}'}]


def _main(row: dict) -> list[str]:
    if 'failed' in row:
        return [row['what'], f"failed: {row['failed']}", *[''] * 5]
    equal = f"{100 * row['equal_labels']:.2f} %" if 'equal_labels' in row else ''
    if 'found' in row:
        return [row['what'], row['found'], *[''] * 4, equal]
    what, *others = cells(row)
    # Some rows have their goal in their name, too.
    return [what.partition(', goal <=')[0], *others, _goal(row), equal]


def _readout(row: dict) -> list[str]:
    return [row['what'], f"{row['ratio']:.3f}", _goal(row), f"{row['ours_s'] * 1e3:.1f} ms",
            f"{row['time_ratio']:.2f}"]


def _goal(row: dict) -> str:
    if row.get('goal') is None:
        return ''
    return f"<= {row['goal']:.2f}" + ('' if row['met'] else ' missed')


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ['---'] * len(head),
             *([str(cell).replace('|', '\\|').replace('\n', ' ') for cell in row] for row in rows)]
    return '\n'.join(f'| {" | ".join(cells_of)} |' for cells_of in lines)
