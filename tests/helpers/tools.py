"""Run the project's tools as a user does, in a process of their own."""

from __future__ import annotations

import contextlib
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import IO

from mmcv.utils.logging import logger_initialized

ROOT = Path(__file__).parents[2]


def run_tool(tool: str, *args: object, cwd: Path | None = None, env: dict | None = None,
             fresh: bool = False, timeout: float = 300) -> subprocess.CompletedProcess:
    """Run a tool in a process of its own; never raises on an exit code.

    Args:
        tool: ``tools/...`` or a shell script.
        args: Its command line.
        cwd: Where it runs, the repository's root by default.
        env: Environment variables that differ.
        fresh: Start Python anew, as a user does. Else a fork of this process runs the tool,
            which has imported everything already: that takes 5 s of CPU time less.
        timeout: Seconds until it is killed.
    """
    path = ROOT / tool
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **(env or {})}
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    if path.suffix == '.py' and not fresh:
        return start_tool(tool, *args, cwd=cwd, env=environment).wait(timeout)
    runner = ['bash'] if path.suffix == '.sh' else [sys.executable]
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


def fork_python(command: list[str], cwd: Path, env: dict,
                **_: object) -> subprocess.CompletedProcess:
    """Stands in for ``subprocess.run([python, SCRIPT, ...])``, without the imports."""
    return start_tool(*command[1:], cwd=cwd, env=env).wait()


class RunningTool:
    """A tool in a fork of this process, in a process group of its own."""

    def __init__(self, pid: int, command: list[str], output: dict[int, IO[str]]) -> None:
        self.pid = pid
        self._command = command
        self._output = output
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the signal that killed it; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the tool and its worker processes."""
        os.killpg(self.pid, number)

    def wait_for(self, path: Path, timeout: float = 120) -> None:
        """Wait until the tool has written a file."""
        end = time.monotonic() + timeout
        while not path.exists():
            assert self.poll() is None, f'ended before {path} was there: {self.wait().stderr}'
            assert time.monotonic() < end, f'no {path} after {timeout} s'
            time.sleep(0.002)

    def wait(self, timeout: float = 300) -> subprocess.CompletedProcess:
        """What it printed, once it has ended.

        Raises:
            TimeoutError: If it is still running; it is killed.
        """
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f'{self._command} ran for more than {timeout} s')
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)  # workers it left behind
        printed = []
        for file in self._output.values():
            file.seek(0)
            printed.append(file.read())
            file.close()
        return subprocess.CompletedProcess(self._command, self._code, *printed)


def run_processes(tool: str, *args: object,
                  processes: int = 2) -> list[subprocess.CompletedProcess]:
    """Run a Python tool in several processes that are one run, as torchrun would start them.

    What each printed, the main process first. tools/dist_*.sh do the same anew, which takes
    12 s of CPU time more.
    """
    joined = {'WORLD_SIZE': processes, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': free_port()}
    running = [start_tool(tool, *args, '--launcher', 'pytorch', env={
        **os.environ, **{name: str(value) for name, value in {
            **joined, 'RANK': rank, 'LOCAL_RANK': rank}.items()}})
        for rank in range(processes)]
    return [tool.wait() for tool in running]


def start_tool(tool: str, *args: object, cwd: Path | None = None,
               env: dict | None = None) -> RunningTool:
    """Start a Python tool in a fork of this process.

    Args:
        tool: ``tools/...`` or the path of a script.
        args: Its command line.
        cwd: Where it runs, the repository's root by default.
        env: All environment variables, those of this process by default.
    """
    command = [str(ROOT / tool), *map(str, args)]
    output = {number: tempfile.TemporaryFile('w+') for number in (1, 2)}  # noqa: SIM115
    pid = os.fork()
    if pid:
        return RunningTool(pid, command, output)
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, file in output.items():
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (os.fdopen(number, 'w', buffering=1) for number in output)
        os.chdir(cwd or ROOT)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        code = _run_as_main(command)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _run_as_main(command: list[str]) -> int:
    """Run a script as ``python SCRIPT ...`` does; its exit code."""
    logging.getLogger('mmseg').handlers.clear()
    logger_initialized.clear()
    argv, sys.argv = sys.argv, command
    try:
        runpy.run_path(command[0], run_name='__main__')
        return 0
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = argv


def call_tool(capfd, tool: str, *args: object) -> subprocess.CompletedProcess:
    """Run a Python tool inside this process, which spares the seconds of its imports.

    Args:
        capfd: pytest's fixture.
        tool: ``tools/...``.
        args: Its command line.
    """
    capfd.readouterr()
    code = _run_as_main([str(ROOT / tool), *map(str, args)])
    return subprocess.CompletedProcess([tool], code, *capfd.readouterr())
