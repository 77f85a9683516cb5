"""Run the project's tools as a user does, in a process of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_tool(tool: str, *args: object, cwd: Path | None = None, env: dict | None = None,
             timeout: float = 300) -> subprocess.CompletedProcess:
    """Run ``tools/...`` or a shell script; never raises on an exit code."""
    path = ROOT / tool
    runner = ['bash'] if path.suffix == '.sh' else [sys.executable]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **(env or {})}
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    return subprocess.run([*runner, str(path), *map(str, args)], cwd=cwd or ROOT,
                          env=environment, capture_output=True, text=True, timeout=timeout)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def assert_bad_input(done: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 2, one sentence with these words, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert 'Traceback' not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if 'error: ' in line]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in errors[0], f'{word!r} not in {errors[0]!r}'


def call_tool(capfd, tool: str, *args: object) -> subprocess.CompletedProcess:
    """Run a Python tool inside this process, which spares the seconds of its imports.

    Args:
        capfd: pytest's fixture.
        tool: ``tools/...``.
        args: Its command line.
    """
    import logging
    import runpy

    from mmcv.utils.logging import logger_initialized

    logging.getLogger('mmseg').handlers.clear()
    logger_initialized.clear()
    capfd.readouterr()
    argv, sys.argv = sys.argv, [str(ROOT / tool), *map(str, args)]
    try:
        runpy.run_path(str(ROOT / tool), run_name='__main__')
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = argv
    out, err = capfd.readouterr()
    return subprocess.CompletedProcess([tool], code, out, err)
