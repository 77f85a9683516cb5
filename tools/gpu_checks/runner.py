"""Parts in processes of their own, each with a limit, all of them with one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Mapping, Sequence

from gpu_checks.parts import Part

DONE, FAILED, TIMED_OUT, LEFT_OUT = 'done', 'failed', 'timed out', 'left out'
# With less left no part would get through its imports.
LEAST_SECONDS = 15.0
_GRACE = 5.0
_POLL = 0.05
_LOG_CHARACTERS = 4000
Command = Callable[[Part], Sequence[str]]


@dataclass
class Outcome:
    """What became of a part.

    Attributes:
        name: Of the part.
        title: Of the part.
        status: Done, failed, timed out or left out.
        seconds: How long it ran.
        limit: How long it might.
        rows: What it measured, also before it failed.
        reason: Why it is not done, else empty.
        log: The end of what it printed, where it is not done.
    """

    name: str
    title: str
    status: str = DONE
    seconds: float = 0.0
    limit: float = 0.0
    rows: list[dict] = field(default_factory=list)
    reason: str = ''
    log: str = ''


class Runner:
    """Runs parts.

    Args:
        command: From a part to its command line, to which ``--rows FILE`` is added: the process
            appends a JSON object a line there as soon as it has one.
        env: Environment variables of the processes.
        seconds: All parts together, from now on.
        cwd: Where they run.
        least: A part is not started with fewer seconds left.
    """

    def __init__(self, command: Command, env: Mapping[str, str], seconds: float, cwd: Path,
                 least: float = LEAST_SECONDS) -> None:
        self.command, self.env, self.cwd = command, dict(env), cwd
        self.seconds, self.least = seconds, least
        self._end = time.monotonic() + seconds
        self._interrupted = threading.Event()

    def run_all(self, parts: Sequence[Part], tell: Callable[[Outcome], None],
                at_once: int = 1) -> list[Outcome]:
        """Run parts in their order.

        Args:
            parts: What to run.
            tell: Called with each outcome as soon as it is there, one at a time.
            at_once: How many run at a time; what is timed runs alone.
        """
        lock = threading.Lock()

        def run(part: Part) -> Outcome:
            outcome = self.run(part)
            with lock:
                # What an interrupt has ended has no outcome.
                if not self._interrupted.is_set():
                    tell(outcome)
            return outcome

        if at_once == 1:
            return [run(part) for part in parts]
        with ThreadPoolExecutor(at_once) as pool:
            try:
                return list(pool.map(run, parts))
            except KeyboardInterrupt:
                self._interrupted.set()
                raise

    def run(self, part: Part) -> Outcome:
        """Run one part to its end or its limit."""
        left = self._end - time.monotonic()
        outcome = Outcome(part.name, part.title, limit=min(part.limit, left))
        if left < self.least or self._interrupted.is_set():
            outcome.status, outcome.limit = LEFT_OUT, 0.0
            outcome.reason = f'the {self.seconds:g} s of all parts were over'
            return outcome
        with tempfile.TemporaryDirectory() as folder:
            rows, log = Path(folder) / 'rows.jsonl', Path(folder) / 'log.txt'
            started = time.monotonic()
            code = self._wait([*self.command(part), '--rows', str(rows)], log, outcome.limit)
            outcome.seconds = time.monotonic() - started
            outcome.rows = _read_rows(rows)
            if code == 0:
                return outcome
            outcome.log = log.read_text(encoding='utf-8', errors='replace')[-_LOG_CHARACTERS:]
        outcome.status = TIMED_OUT if code is None else FAILED
        outcome.reason = (f'stopped after {outcome.limit:.0f} s' if code is None
                          else _reason(outcome, code))
        return outcome

    def _wait(self, command: Sequence[str], log: Path, limit: float) -> int | None:
        """The exit code, None if the process was stopped at its limit."""
        with open(log, 'wb') as file:
            process = subprocess.Popen(
                command, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True)
            end = time.monotonic() + limit
            try:
                while process.poll() is None and time.monotonic() < end:
                    if self._interrupted.is_set():
                        break
                    time.sleep(_POLL)
                return process.poll()
            finally:
                _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            # torchrun ends its processes, which are in groups of their own, if it is asked to.
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_rows(path: Path) -> list[dict]:
    """All whole lines: the last one may have been cut."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding='utf-8').splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
    return rows


def _reason(outcome: Outcome, code: int) -> str:
    """What a failed row says, else the last line that was printed."""
    failed = [row['failed'] for row in outcome.rows if 'failed' in row]
    if failed:
        return failed[0]
    if code < 0:
        return f'ended by {signal.Signals(-code).name}'
    lines = [line for line in outcome.log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f'exit code {code}'
