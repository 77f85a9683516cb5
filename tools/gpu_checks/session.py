"""A whole run: the environment, then all parts, then the table."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from mmseg_maskclip.utils import InputError, require_writable

from gpu_checks.packages import missing_packages
from gpu_checks.parts import ENVIRONMENT, PARTS, Part
from gpu_checks.report import Report
from gpu_checks.runner import DONE, LEFT_OUT, Outcome, Runner

ROOT = Path(__file__).resolve().parents[2]
_AT_ONCE = 2


def run_session(args: argparse.Namespace) -> int:
    """Run the parts that a command line names.

    Args:
        args: With ``parts``, ``dry_run``, ``seconds`` and ``out``.

    Returns:
        0 if all of them got through, else 1; those that are left out have not.

    Raises:
        InputError: If there is no GPU, or the results can't be written.
    """
    # A run that is told to end ends its processes, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    path = args.out and args.out.resolve()
    if path is not None:
        require_writable(path, '--out')
    with tempfile.TemporaryDirectory() as cache:
        runner = Runner(lambda part: _command(part, args.dry_run),
                        _environment(cache, args.dry_run), args.seconds, ROOT)
        found = _find_device(runner, args.dry_run)
        parts = [part for part in PARTS if part.name in args.parts]
        report = Report(found, {'dry_run': args.dry_run, 'limit': args.seconds},
                        [part.name for part in parts], path)
        runnable = _leave_out(parts, report)
        # Nothing is timed in a dry run.
        runner.run_all(runnable, report.add, _AT_ONCE if args.dry_run else 1)
    print(f'\n{report.markdown()}')
    return 0 if all(one.status == DONE for one in report.outcomes) else 1


def _command(part: Part, dry_run: bool) -> list[str]:
    return [sys.executable, str(ROOT / 'tools/gpu_check.py'), '--part', part.name,
            *(['--dry-run'] if dry_run else [])]


def _environment(cache: str, dry_run: bool) -> dict[str, str]:
    """Variables of the processes: nothing is read from or left in the user's caches."""
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    found = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'MASKCLIP_CACHE': cache,
             'HF_HUB_OFFLINE': '1', 'PYTHONWARNINGS': 'ignore'}
    if dry_run:
        found.update(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
    return found


def _find_device(runner: Runner, dry_run: bool) -> dict:
    """What the part ``environment`` finds; imports torch in a process of its own."""
    outcome = runner.run(ENVIRONMENT)
    if outcome.status != DONE:
        raise InputError(f'torch, mmcv and mmseg cannot be used here ({outcome.reason}): run bash '
                         'env_install.sh, or set PYTHON to a Python where they can.')
    found = outcome.rows[0]
    if not (dry_run or found['gpu']):
        raise InputError(f'torch {found["versions"]["torch"]} (CUDA {found["cuda"]}) finds no GPU '
                         'here: --dry-run runs every part at toy size on the CPU.')
    print(f'{found["gpu"] or "CPU"}, driver {found["driver"]}, CUDA {found["cuda"]}, '
          f'torch {found["versions"]["torch"]}, {found["cores"]} cores', flush=True)
    return found


def _leave_out(parts: Sequence[Part], report: Report) -> list[Part]:
    """The parts whose packages are there; the report is told of the others."""
    absent = missing_packages().optional
    runnable = []
    for part in parts:
        lacks = [absent[name] for name in part.needs if name in absent]
        if not lacks:
            runnable.append(part)
            continue
        report.add(Outcome(part.name, part.title, LEFT_OUT,
                           reason=f'needs {", ".join(lacks)}, which is not installed'))
    return runnable
