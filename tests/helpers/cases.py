"""A table of cases run by one test, which reports all that fail."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest


def cases(names: str, table: Iterable, ids: Callable | None = None) -> Callable:
    """Run a test function once per case of a table, as one test.

    For cheap cases in large number: one test is collected, set up and reported, and every
    case that fails is listed with its label. Slow cases are better parametrised, which lets
    the processes share them.

    Each case has a ``tmp_path`` and a ``monkeypatch`` of its own; other fixtures are shared.

    Args:
        names: The function's arguments that a case gives, separated by commas.
        table: The cases: a tuple of values each, or a value where there is one name.
        ids: Makes the label of a case from its values, instead of their ``repr``.
    """
    wanted = [name.strip() for name in names.split(',')]
    rows = [tuple(row) if len(wanted) > 1 else (row,) for row in table]
    assert rows and all(len(row) == len(wanted) for row in rows), names

    def decorate(check: Callable) -> Callable:
        signature = inspect.signature(check)

        @functools.wraps(check)
        def run(**fixtures) -> None:
            failed = []
            for number, row in enumerate(rows):
                label = ids(*row) if ids else _label(row)
                try:
                    _run_case(check, dict(zip(wanted, row)), fixtures, str(number))
                except (Exception, pytest.fail.Exception) as error:
                    failed.append((label, error))
            if failed:
                raise AssertionError(_report(failed, len(rows))) from failed[0][1]

        run.__signature__ = signature.replace(parameters=[
            value for name, value in signature.parameters.items() if name not in wanted])
        return run

    return decorate


def _run_case(check: Callable, values: dict, fixtures: dict, number: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        own = dict(fixtures)
        if 'tmp_path' in own:
            own['tmp_path'] = fixtures['tmp_path'] / number
            own['tmp_path'].mkdir()
        if 'monkeypatch' in own:
            own['monkeypatch'] = patch
        check(**values, **own)


def _label(row: tuple) -> str:
    """What tells a case apart; a lambda is told by what stands beside it."""
    label = ', '.join(repr(value) for value in row if getattr(value, '__name__', '') != '<lambda>')
    return label if len(label) <= 120 else f'{label[:117]}...'


def _report(failed: list[tuple[str, BaseException]], total: int) -> str:
    lines = [f'{len(failed)} of {total} cases failed']
    for label, error in failed:
        frames = traceback.extract_tb(error.__traceback__)
        # The last line of a test is where the reader looks; below it there is library code.
        place = next((frame for frame in reversed(frames)
                      if Path(frame.filename).name.startswith('test_')), frames[-1])
        said = str(error).replace('\n', '\n    ')
        lines.append(f'[{label}] {Path(place.filename).name}:{place.lineno}: '
                     f'{type(error).__name__}: {said}')
    return '\n  '.join(lines)
