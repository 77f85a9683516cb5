"""How every tool ends: exit code 2 and one sentence on bad input."""

from __future__ import annotations

import argparse
import sys
from typing import Callable

BAD_INPUT = 2
INTERRUPTED = 130


def run_tool(main: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> None:
    """Run a tool's ``main`` and leave the process with its exit code.

    :class:`~mmseg_maskclip.utils.InputError` becomes ``error: sentence`` on
    stderr and exit code 2; an interrupt becomes 130. Any other exception is a
    defect and keeps its traceback.

    Args:
        main: Does the work; returns an exit code or None for success.
        args: The parsed command line. A tool parses it before it imports this
            package, so that ``--help`` and typing errors answer at once.
    """
    try:
        code = main(args)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        from mmseg_maskclip.utils import InputError
        if not isinstance(error, InputError):
            raise
        print(f'error: {error}', file=sys.stderr)
        sys.exit(BAD_INPUT)
    sys.exit(code or 0)
