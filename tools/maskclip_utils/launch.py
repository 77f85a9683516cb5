"""torchrun that ends as a tool does: exit code 2 and one sentence on bad input.

Called by tools/dist_*.sh with torchrun's own command line.
"""

import logging
import os
import signal
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

BAD_INPUT = 2


def sentences_of(failure: ChildFailedError) -> list[str]:
    """What the processes said about bad input, each sentence once."""
    said = [process.message for process in failure.failures.values()
            if process.exitcode == BAD_INPUT and isinstance(process.message, str)]
    return list(dict.fromkeys(said))


def main() -> None:
    # What it logs of failed processes is told below, or in the report of ChildFailedError.
    logging.getLogger('torch.distributed.elastic.multiprocessing').setLevel(logging.CRITICAL)
    logging.getLogger('torch.distributed.elastic.agent').setLevel(logging.CRITICAL)
    os.environ['MASKCLIP_LAUNCHER_TELLS'] = '1'
    try:
        run(parse_args(sys.argv[1:]))
    except ChildFailedError as failure:
        sentences = sentences_of(failure)
        if not sentences:
            print(failure, file=sys.stderr)
            sys.exit(1)
        for sentence in sentences:
            print(f'error: {sentence}', file=sys.stderr)
        sys.exit(BAD_INPUT)
    except SignalException as stop:
        print(f'interrupted by {signal.Signals(stop.sigval).name}', file=sys.stderr)
        sys.exit(128 + stop.sigval)


if __name__ == '__main__':
    main()
