"""torchrun that ends as a tool does: exit code 2 and one sentence on bad input.

Called by tools/dist_*.sh with torchrun's own command line.
"""

import logging
import os
import signal
import sys

BAD_INPUT, INTERRUPTED = 2, 130


def report(failure) -> int:
    """Print what went wrong, once for all processes; the exit code.

    Args:
        failure: torchrun's report of the failed processes. Each has stored its exception in a
            file (``torch.distributed.elastic``'s ``record``), or printed it.
    """
    left = [process.error_file_data.get('message') for process in failure.failures.values()]
    errors = [error for error in left if isinstance(error, dict)]
    sentences = [error['message'].partition('InputError: ')[2] for error in errors]
    # Some may have failed only because another process had ended.
    if any(sentences):
        print('\n'.join(f'error: {text}' for text in dict.fromkeys(filter(None, sentences))),
              file=sys.stderr)
        return BAD_INPUT
    first = failure.get_first_failure()[1].error_file_data.get('message')
    print(first['extraInfo']['py_callstack'] if isinstance(first, dict) else failure,
          file=sys.stderr)
    return 1


def run_processes(words: list[str]) -> int:
    """Run torchrun; the exit code.

    Args:
        words: Its command line.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # What it logs about failed processes is printed below, or by ChildFailedError.
    for part in ('multiprocessing', 'agent'):
        logging.getLogger(f'torch.distributed.elastic.{part}').setLevel(logging.CRITICAL)
    os.environ['MASKCLIP_LAUNCHER'] = '1'
    try:
        run(parse_args(words))
    except ChildFailedError as failure:
        return report(failure)
    except SignalException as stop:
        print(f'interrupted by {signal.Signals(stop.sigval).name}', file=sys.stderr)
        return 128 + stop.sigval
    except (ValueError, RuntimeError) as error:
        text = (str(error) or type(error).__name__).splitlines()[0]
        print(f'error: the processes cannot be started: {text} (Is PORT '
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
