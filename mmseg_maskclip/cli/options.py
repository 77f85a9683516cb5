"""Flags and ``KEY=VALUE`` words that several commands share."""

from __future__ import annotations

import argparse
import ast
import os
from typing import Any

from mmseg_maskclip.utils import InputError


def add_cfg_options(parser: argparse.ArgumentParser, of: str = 'the config') -> None:
    """Add ``--cfg-options``.

    Args:
        parser: A command's.
        of: What is overridden.
    """
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help=f'override settings of {of}, as in mmseg')


def add_precision(parser: Any, default: str | None, told: str) -> None:
    """Add ``--precision``.

    Args:
        parser: A command's, or a group of its flags.
        default: What it is where the flag is left out.
        told: That in words.
    """
    # Checked where torch is: fp16 needs a GPU.
    parser.add_argument('--precision', metavar='fp32|bf16|fp16', default=default,
                        help=f'of the forward pass (default: {told}); labels are chosen by scores '
                             'in fp32; fp16 needs a GPU')


def add_process_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the GPU and the processes of a command, and mmseg's older ones."""
    parser.add_argument('--options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='deprecated, use --cfg-options')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument('--device', metavar='cpu|cuda|cuda:N',
                         help='where a run takes place (default: a GPU where there is one)')
    devices.add_argument('--gpu-id', type=int, default=0, help='GPU of a run of one process')
    devices.add_argument('--gpu-ids', type=int, nargs='+', metavar='N',
                         help='deprecated, use --gpu-id')
    devices.add_argument('--gpus', type=int, metavar='COUNT', help=argparse.SUPPRESS)
    # What torch.distributed.launch adds to the command line.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)


def parse_options(pairs: list[str]) -> dict:
    """``KEY=VALUE`` words of a command line.

    Values have mmcv's types (numbers, booleans, None, text, ``[a,b]``,
    ``(a,b)``, ``a,b``), but keep the blanks inside of an item, and what is
    quoted is read as Python does: ``names=['traffic light','tall grass']``.

    Args:
        pairs: The words.

    Raises:
        InputError: If a word has no ``=``, or its brackets are not closed.
    """
    options = {}
    for pair in pairs:
        key, equals, text = pair.partition('=')
        if not equals or not key.strip():
            raise InputError(f'option {pair!r}: expected KEY=VALUE, such as '
                             'model.decode_head.ks_thresh=1.0.')
        try:
            options[key.strip()] = _parse_value(text)
        except ValueError as error:
            raise InputError(f'option {pair!r} cannot be read: {error}.') from error
    return options


def _parse_value(text: str) -> Any:
    text = text.strip()
    if '"' in text or "'" in text:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            # Such as [one word,'another'], or an apostrophe.
            pass
    if text[:1] + text[-1:] in ('()', '[]'):
        items = [_parse_value(item) for item in _split_items(text[1:-1])]
        return tuple(items) if text[0] == '(' else items
    items = _split_items(text)
    if len(items) > 1 or text.endswith(','):
        return [_parse_value(item) for item in items]
    return _parse_word(text)


def _split_items(text: str) -> list[str]:
    """Split at commas that are neither quoted nor within brackets."""
    items, depth, quote = [''], 0, ''
    for position, letter in enumerate(text):
        if quote:
            quote = '' if letter == quote else quote
        # A quote without an end is an apostrophe.
        elif letter in '"\'' and letter in text[position + 1:]:
            quote = letter
        elif letter in '([{':
            depth += 1
        elif letter in ')]}':
            depth -= 1
        if letter == ',' and not depth and not quote:
            items.append('')
        else:
            items[-1] += letter
    if depth:
        raise ValueError(f'the brackets in {text!r} are not balanced')
    # As in mmcv a comma may stand at the end: (3,) is a tuple of one, () of none.
    return items if items[-1].strip() else items[:-1]


def _parse_word(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    # As in mmcv, in any case; None in this one alone.
    words = {'true': True, 'false': False}
    if text.lower() in words:
        return words[text.lower()]
    return None if text == 'None' else text.strip('\'"')


def settle_flags(args: argparse.Namespace) -> None:
    """Take what older flags say into those of today, and hide the GPUs from ``--device cpu``.

    Call it before torch is imported.

    Args:
        args: A command line with the flags of :func:`add_cfg_options` and
            :func:`add_process_flags`; changed in place.

    Raises:
        InputError: If flags contradict each other or say nothing known.
    """
    if args.options and args.cfg_options:
        raise InputError('--options is the deprecated name of --cfg-options: give the latter alone')
    if args.options:
        _warn('--options is deprecated, use --cfg-options.')
        args.cfg_options = args.options
    if args.gpu_ids or args.gpus is not None:
        _warn('--gpu-ids and --gpus are deprecated, use --gpu-id. A run of one process uses one '
              'GPU: start several with tools/dist_train.sh CONFIG N or tools/dist_test.sh CONFIG '
              'CHECKPOINT N.')
        args.gpu_id = args.gpu_ids[0] if args.gpu_ids else 0
    # mmcv reads the environment, torch.distributed.launch gives a flag.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.device is None:
        return
    kind, colon, number = args.device.partition(':')
    if kind not in ('cpu', 'cuda') or (colon and (kind == 'cpu' or not number.isdecimal())):
        raise InputError(f'--device is {args.device!r}, expected cpu, cuda or cuda:N')
    if kind == 'cpu':
        # Whatever asks whether there is a GPU then finds none, here and in the libraries.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif number and args.launcher != 'none':
        raise InputError(f'--device {args.device} names one GPU, but each of several processes '
                         'takes its own: use --device cuda')
    elif number:
        args.gpu_id = int(number)


def _warn(text: str) -> None:
    from mmcv.utils import print_log

    print_log(text, 'mmseg', level=30)


def choose_gpu(args: argparse.Namespace) -> None:
    """Make ``--gpu-id`` the device of a run of one process.

    Args:
        args: A command line after :func:`settle_flags`.

    Raises:
        InputError: If there is no such GPU.
    """
    import torch

    available = torch.cuda.is_available()
    if args.device and args.device.startswith('cuda') and not available:
        raise InputError(f'--device {args.device}: torch finds no GPU here; leave --device out to '
                         'use the CPU.')
    if not available or args.launcher != 'none':
        return
    if not 0 <= args.gpu_id < torch.cuda.device_count():
        flag = f'--device is {args.device}' if args.device else f'--gpu-id is {args.gpu_id}'
        raise InputError(f'{flag}, this machine has {torch.cuda.device_count()} GPUs, counted '
                         'from 0.')
    torch.cuda.set_device(args.gpu_id)
