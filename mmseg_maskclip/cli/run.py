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
    stderr and exit code 2, and so does a lack of memory; an interrupt becomes
    130. Any other exception is a defect and keeps its traceback.

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
        sentence = _sentence(error)
        if sentence is None:
            raise
        _tell(sentence)
        sys.exit(BAD_INPUT)
    sys.exit(code or 0)


def _sentence(error: Exception) -> str | None:
    """What to tell the user instead of a traceback; None where it is a defect."""
    from mmseg_maskclip.utils import InputError, sentence_of

    if isinstance(error, InputError):
        return sentence_of(error)
    # torch has a class for the GPU alone, and its own words for the CPU.
    said = str(error)
    if (isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError'
            or 'DefaultCPUAllocator' in said):
        return (f"out of memory ({said.splitlines()[0] if said else 'no more is known'}): take a "
                'smaller --img-scale, crop or data.samples_per_gpu, --amp in training, or sliding '
                'windows in testing (model.test_cfg.mode=slide).')
    return None


def _tell(sentence: str) -> None:
    from mmseg_maskclip.utils.launcher import tell_launcher

    if not tell_launcher(sentence):
        print(f'error: {sentence}', file=sys.stderr)
