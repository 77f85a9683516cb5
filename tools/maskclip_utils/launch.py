"""torchrun that ends as a tool does: exit code 2 and one sentence on bad input.

Called by tools/dist_*.sh with torchrun's own command line.
"""

import logging
import os
import signal
import sys

BAD_INPUT, INTERRUPTED = 2, 130


def sentences_of(failures) -> list[str]:
    """What the processes said about bad input, each sentence once.

    Args:
        failures: torchrun's account of each process that did not end well. One that was ended
            because another had failed may have left a sentence, too.
    """
    said = [process.message for process in failures if process.error_file_data.get('bad_input')]
    return list(dict.fromkeys(said))


def run_processes(words: list[str]) -> int:
    """Run torchrun; the exit code.

    Args:
        words: Its command line.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # What it logs of failed processes is told below, or in the report of ChildFailedError.
    for part in ('multiprocessing', 'agent'):
        logging.getLogger(f'torch.distributed.elastic.{part}').setLevel(logging.CRITICAL)
    os.environ['MASKCLIP_LAUNCHER_TELLS'] = '1'
    try:
        run(parse_args(words))
    except ChildFailedError as failure:
        sentences = sentences_of(failure.failures.values())
        print('\n'.join(f'error: {sentence}' for sentence in sentences) or failure,
              file=sys.stderr)
        return BAD_INPUT if sentences else 1
    except SignalException as stop:
        print(f'interrupted by {signal.Signals(stop.sigval).name}', file=sys.stderr)
        return 128 + stop.sigval
    except (ValueError, RuntimeError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        print(f'error: the processes can not be started: {said} (Is PORT '
              'in use by another run, are NNODES, NODE_RANK and MASTER_ADDR right? Without any '
              'of them a free port is found.)', file=sys.stderr)
        return BAD_INPUT
    return 0


if __name__ == '__main__':
    try:
        sys.exit(run_processes(sys.argv[1:]))
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(INTERRUPTED)
