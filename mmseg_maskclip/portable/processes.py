"""A run of one process, where nothing knows of process groups."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


class OneProcess:
    """What ``engine.distributed.ProcessGroup`` is to several processes, for one alone.

    Attributes:
        rank: Number of this process.
        world: How many there are.
    """

    rank = 0
    world = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Run the body in the main process first, then in all others."""
        yield

    def total(self, count: int) -> int:
        """Sum a number over all processes.

        Args:
            count: That of this process.
        """
        return count

    def merge(self, part: dict, folder: Path) -> Optional[dict]:
        """Merge every process's dict in the main one.

        Args:
            part: Items of this process; no other process has the same keys.
            folder: A folder all processes can write.

        Returns:
            All items in the main process, None elsewhere.
        """
        return part
