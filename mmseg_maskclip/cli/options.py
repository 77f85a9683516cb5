"""Flags and ``KEY=VALUE`` words that several commands share."""

from __future__ import annotations

import argparse
import ast
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


def add_process_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the GPU and the processes of a command."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--gpu-id', type=int, default=0, help='GPU of a run of one process')
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
