"""The tests marked ``gpu``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

ROOT = Path(__file__).resolve().parents[2]
MARK = 'mark.gpu'


class Counter:
    """A plugin of pytest that counts tests, each by the worst of its phases."""

    def __init__(self) -> None:
        self.collected = 0
        self.outcomes: dict[str, str] = {}
        self.broken: list[str] = []

    def pytest_collection_finish(self, session: Any) -> None:
        """pytest's hook."""
        self.collected = len(session.items)

    def pytest_collectreport(self, report: Any) -> None:
        """pytest's hook: a file that can't be imported hides its tests."""
        if report.failed:
            self.broken.append(report.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """pytest's hook."""
        # Of its phases the worst counts; only that of the call can pass.
        if ((report.when == 'call' or report.outcome != 'passed')
                and self.outcomes.get(report.nodeid) != 'failed'):
            self.outcomes[report.nodeid] = report.outcome

    def row(self, collect_only: bool) -> dict:
        """The tests as a row."""
        counts = {outcome: [name for name, found in self.outcomes.items() if found == outcome]
                  for outcome in ('passed', 'failed', 'skipped')}
        text = (f'{self.collected} collected, not run' if collect_only else ', '.join(
            f'{len(names)} {outcome}' for outcome, names in counts.items()
            if names or outcome != 'skipped'))
        row = {'what': 'tests marked `gpu`', 'found': text, 'collected': self.collected,
               'counts': {outcome: len(names) for outcome, names in counts.items()}}
        wrong = [*self.broken, *counts['failed']]
        if wrong:
            row['failed_tests'] = wrong
        # Tests that did not run have not passed.
        if wrong or not self.collected or counts['skipped']:
            row['failed'] = f'{text}: {", ".join(wrong or counts["skipped"]) or "no tests"}'
        return row


def marked_files() -> list[str]:
    """Test files with the mark, below the root of the repository."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / 'tests').rglob('test_*.py'))
            if MARK in path.read_text(encoding='utf-8')]


def measures(name: str, dry_run: bool, folder: Path) -> Iterator[tuple[str, Any]]:
    """One row; see :func:`gpu_checks.child.measures_of`. In a dry run they are counted alone."""
    yield 'tests marked `gpu`', lambda: [run_tests(marked_files(), dry_run)]


def run_tests(files: list[str], collect_only: bool) -> dict:
    """Run the marked tests of some files in this process; a row.

    Args:
        files: Of tests.
        collect_only: Whether they are counted and not run.
    """
    import pytest

    counter = Counter()
    # The others need not be imported, nor what they import. Nothing is left in the repository.
    pytest.main(['-v', '-m', 'gpu', '-p', 'no:cacheprovider', '--rootdir', str(ROOT),
                 *(['--collect-only'] if collect_only else []), *files], plugins=[counter])
    return counter.row(collect_only)
