"""Flags and ``KEY=VALUE`` words that several commands share."""

from __future__ import annotations

import argparse

from mmseg_maskclip.utils import InputError


def add_cfg_options(parser: argparse.ArgumentParser, of: str = 'the config') -> None:
    """Add ``--cfg-options``.

    Args:
        parser: A command's.
        of: What is overridden.
    """
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help=f'override settings of {of}, as in mmseg')


def add_process_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says on which GPU, and in how many processes, a command runs."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--gpu-id', type=int, default=0, help='GPU of a run of one process')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)


def parse_options(pairs: list[str]) -> dict:
    """``KEY=VALUE`` words as mmcv reads them.

    Raises:
        InputError: If a word has no ``=``.
    """
    from mmcv.utils import DictAction

    for pair in pairs:
        if '=' not in pair:
            raise InputError(f'option {pair!r}: expected KEY=VALUE, such as '
                             'model.decode_head.ks_thresh=1.0.')
    if not pairs:
        return {}
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    try:
        return parser.parse_args(['--options', *pairs]).options
    except (AssertionError, ValueError) as error:
        raise InputError(f'options {pairs} can not be read: {error}') from error


def choose_gpu(args: argparse.Namespace) -> None:
    """Make ``--gpu-id`` the device of a run of one process.

    Args:
        args: A command line with ``gpu_id`` and ``launcher``.

    Raises:
        InputError: If there is no such GPU.
    """
    import torch

    if not torch.cuda.is_available() or args.launcher != 'none':
        return
    if not 0 <= args.gpu_id < torch.cuda.device_count():
        raise InputError(f'--gpu-id is {args.gpu_id}, this machine has '
                         f'{torch.cuda.device_count()} GPUs, counted from 0.')
    torch.cuda.set_device(args.gpu_id)
