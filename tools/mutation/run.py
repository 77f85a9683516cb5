"""Run the tests beside a changed statement, in a copy of the tree."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

from mutation.mutants import Mutant

#: What the tests compare with another implementation notices changes of these folders, too.
_COMPARED = ('models', 'ops')
_OUTCOME = re.compile(r'^(?:FAILED|ERROR) (.+?)(?: - .*)?$', re.MULTILINE)
_PYTEST = ('-q', '-x', '--tb=no', '-rfE', '-p', 'no:cacheprovider')


@dataclass(frozen=True)
class Outcome:
    """Result of the tests for a mutant.

    Attributes:
        result: ``'killed'``, ``'survived'`` or ``'timeout'``.
        noticed_by: The test that failed, if one did.
        seconds: How long they took.
    """

    result: str
    noticed_by: str | None
    seconds: float


def nearest_tests(root: Path, file: str) -> list[str]:
    """The tests of a module, those nearest to it first.

    Tests mirror the package: for ``package/a/b/c.py`` these are ``test_c.py``
    and ``test_b.py`` below ``tests/a``, then the nearest folder there is of
    ``tests/a/b``, ``tests/a`` and ``tests``, for models and ops
    ``tests/parity``, and other tests that are named after c or b, such as
    ``tests/cli/test_all_b.py``.

    Args:
        root: Of the tree.
        file: The module, relative to the root.
    """
    inside = Path(file).with_suffix('').parts[1:]
    names = inside[:0:-1] or inside
    tests = root / 'tests'
    folders = [tests.joinpath(*inside[:depth]) for depth in range(len(inside) - 1, -1, -1)]
    found = [path for name in names for path in sorted(
        tests.joinpath(inside[0]).rglob(f'test_{name}.py'))]
    found.append(next(folder for folder in folders if folder.is_dir()))
    if inside[0] in _COMPARED and (tests / 'parity').is_dir():
        found.append(tests / 'parity')
    found += [path for name in names for path in sorted(tests.rglob(f'test_*_{name}.py'))]
    return [path.relative_to(root).as_posix() for path in dict.fromkeys(found)]


def copy_tree(root: Path, target: Path) -> None:
    """Copy the files git knows or would add, as they are in the working tree.

    Args:
        root: Of a git repository.
        target: A new folder.
    """
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others',
                             '--exclude-standard'], cwd=root, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split('\0')):
        source, copy = root / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def run_tests(root: Path, tests: Sequence[str], timeout: float) -> Outcome:
    """Run pytest until a first test fails.

    Args:
        root: The tree, which is imported from.
        tests: Files, folders and further arguments of pytest.
        timeout: Seconds after which it is stopped with all it started.
    """
    # Bytecode is cached by the file's time in whole seconds, in which it may change twice.
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONPATH': str(root)}
    start = time.monotonic()
    run = subprocess.Popen([sys.executable, '-m', 'pytest', *_PYTEST, *tests], cwd=root,
                           env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors='replace', start_new_session=True)
    try:
        output, _ = run.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        return Outcome('timeout', None, time.monotonic() - start)
    seconds = time.monotonic() - start
    if run.returncode == 0:
        return Outcome('survived', None, seconds)
    found = _OUTCOME.findall(output)
    last = output.strip().splitlines()[-1:] or [f'exit code {run.returncode}']
    return Outcome('killed', (found or last)[0], seconds)


def run_mutants(root: Path, mutants: Sequence[Mutant], selections: Sequence[Sequence[str]],
                timeout: float, folder: Path, jobs: int,
                on_outcome: Callable[[Mutant, Outcome], None]) -> list[Outcome]:
    """Run the tests of each mutant, several at a time.

    Args:
        root: Of the tree, which is left as it is.
        mutants: What is changed.
        selections: The tests of each.
        timeout: Seconds for one mutant.
        folder: An empty folder for a copy of the tree per job.
        jobs: How many run at a time.
        on_outcome: Called with each outcome as it comes.

    Returns:
        One outcome a mutant.
    """
    copies: queue.Queue[Path] = queue.Queue()
    for job in range(jobs):
        copy_tree(root, folder / str(job))
        copies.put(folder / str(job))

    def run(mutant: Mutant, tests: Sequence[str]) -> Outcome:
        copy = copies.get()
        try:
            changed = copy / mutant.file
            original = changed.read_bytes()
            changed.write_text(mutant.source, encoding='utf-8')
            outcome = run_tests(copy, tests, timeout)
            changed.write_bytes(original)
        finally:
            copies.put(copy)
        on_outcome(mutant, outcome)
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(run, mutants, selections))
