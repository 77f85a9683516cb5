"""One part, in this process."""

from __future__ import annotations

import gc
import importlib
import json
import logging
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Callable, Iterator

from gpu_checks.report import line

# The others are benchmarks.
_OWN_MODULES = ('environment', 'tests', 'processes')


def measures_of(name: str, dry_run: bool,
                folder: Path) -> Iterator[tuple[str, Callable[[], list]]]:
    """What a part measures: names, and calls that return rows.

    Args:
        name: Of the part; only its own module is imported.
        dry_run: Toy sizes on the CPU.
        folder: For files that it writes.
    """
    module = name if name in _OWN_MODULES else 'measures'
    return importlib.import_module(f'gpu_checks.{module}').measures(name, dry_run, folder)


def run_here(name: str, dry_run: bool, path: Path | None) -> int:
    """Run a part, row by row: one that fails does not keep the others.

    Args:
        name: Of the part.
        dry_run: Toy sizes on the CPU.
        path: Gets a JSON object a line; None to print the rows.

    Returns:
        1 if a row failed, else 0.
    """
    import torch

    logging.getLogger().setLevel(logging.ERROR)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, call in measures_of(name, dry_run, Path(folder)):
            try:
                rows = call()
            except Exception as error:
                traceback.print_exc()
                first = (str(error).splitlines() or ['no message'])[0]
                rows = [{'what': what, 'failed': f'{type(error).__name__}: {first}'}]
            failed += any('failed' in row for row in rows)
            _write(rows, path)
            # The next row finds the card as this one did.
            gc.collect()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
    return int(failed > 0)


def _write(rows: list[dict], path: Path | None) -> None:
    if path is None:
        for row in rows:
            print(json.dumps(row) if 'versions' in row else line(row))
        sys.stdout.flush()
        return
    with open(path, 'a', encoding='utf-8') as file:
        for row in rows:
            file.write(json.dumps(row) + '\n')
