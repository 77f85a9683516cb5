"""One job at a time; of one page only the newest request is answered."""

from __future__ import annotations

import threading
from typing import Callable, TypeVar

Result = TypeVar('Result')
Check = Callable[[], None]


class Superseded(Exception):
    """A newer request of the same page has come: the answer to this one would not be looked at."""


class Jobs:
    """Lets one job run at a time, in the thread that asked.

    Others wait for their turn. Of the waiting jobs of one page only the newest
    stays: who types fast costs no queue.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._newest: dict[str, object] = {}

    def run(self, page: str, work: Callable[[Check], Result]) -> Result:
        """Run a job once no other runs.

        Args:
            page: Who asks; a newer job of the same page supersedes this one.
            work: The job. It is given a function to call between its steps,
                which stops the job if it is superseded by then.

        Raises:
            Superseded: If a newer job of this page came before this one was done.
        """
        ticket = object()

        def check() -> None:
            """Stop if a newer job has come."""
            if self._newest.get(page) is not ticket:
                raise Superseded

        with self._changed:
            self._newest[page] = ticket
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: not self._busy or self._newest.get(page) is not ticket)
            check()
            self._busy = True
        try:
            return work(check)
        finally:
            with self._changed:
                self._busy = False
                if self._newest.get(page) is ticket:
                    del self._newest[page]
                self._changed.notify_all()
