"""How every command ends: exit code 2 and one sentence on bad input."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import Callable, NoReturn, Optional

from mmseg_maskclip.utils import InputError, lacks_memory, sentence_of

BAD_INPUT = 2
INTERRUPTED = 130
DEBUG = 'MASKCLIP_DEBUG'
LAUNCHER = 'MASKCLIP_LAUNCHER'
_OF_TORCH = ('torch', 'torchvision', 'mmcv', 'mmseg', 'open_clip', 'timm')
Main = Callable[[argparse.Namespace], Optional[int]]


def run_tool(main: Main, args: argparse.Namespace) -> NoReturn:
    """Run a tool's ``main`` and exit with its exit code.

    :class:`~mmseg_maskclip.utils.InputError` becomes ``error: sentence`` on
    stderr and exit code 2, and so does a lack of memory, or of torch and what comes with it; an
    interrupt becomes 130. Any other exception is a defect and keeps its traceback.
    ``MASKCLIP_DEBUG=1`` shows the traceback of bad input, too.

    Args:
        main: Does the work; returns an exit code or None for success.
        args: The parsed command line.
    """
    launched = LAUNCHER in os.environ
    try:
        code = _recorded(main, args) if launched else _with_memory_check(main, args)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(INTERRUPTED)
    except InputError as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        if not launched:
            print(f'error: {sentence_of(error)}', file=sys.stderr)
        sys.exit(BAD_INPUT)
    except ModuleNotFoundError as error:
        if error.name not in _OF_TORCH:
            raise
        print(f'error: this needs {error.name}, which is not installed: bash env_install.sh '
              'installs it. Without it maskclip predict runs exported models alone, --model '
              'FILE.onnx --bank WORDS.npz.', file=sys.stderr)
        sys.exit(BAD_INPUT)
    # The launcher prints what record() has stored, once for all processes.
    except Exception:
        if not launched:
            raise
        sys.exit(1)
    sys.exit(code or 0)


def _recorded(main: Main, args: argparse.Namespace) -> int | None:
    """Store a failure for tools/maskclip_utils/launch.py.

    It prints each message once for all processes, and leaves out those of
    processes that failed only because another one had.
    """
    from torch.distributed.elastic.multiprocessing.errors import record

    return record(_with_memory_check)(main, args)


def _with_memory_check(main: Main, args: argparse.Namespace) -> int | None:
    """Run ``main``; a lack of memory is bad input, since the user can reduce what is needed."""
    try:
        return main(args)
    except Exception as error:
        if not lacks_memory(error):
            raise
        text = str(error)
        raise InputError(
            f"out of memory ({text.splitlines()[0] if text else 'no message'}): take a "
            'smaller --img-scale (--size, --batch-size in predictions), crop or '
            'data.samples_per_gpu, --amp in training, or sliding windows in testing '
            '(model.test_cfg.mode=slide).') from error
