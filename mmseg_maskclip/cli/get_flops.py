"""Parameters, multiply-adds and speed of the model of a config, as it is tested.

    python tools/get_flops.py CONFIG                        one image of 512 x 512
    python tools/get_flops.py CONFIG --shape 480 640        height and width
    python tools/get_flops.py CONFIG --shape 512 --no-speed

Weights and text embeddings are random: no checkpoint, CLIP file or data set is needed.
Parameters are those of what a test forward runs through; a teacher is none of it.
Multiply-adds are those of matrix products and convolutions, attention included, from one
network input to the scores on the model's own grid.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_maskclip.cli.options import add_cfg_options, parse_options
from mmseg_maskclip.utils import InputError, require_number, writable_dir

if TYPE_CHECKING:
    from mmseg_maskclip.engine.cost import Cost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=int, nargs='+', default=[512, 512], metavar='N',
                        help='height and width of the image, or one number for both (default: '
                             '512 512)')
    parser.add_argument('--repeats', type=int, default=5,
                        help='timed runs, the median counts (default: 5)')
    parser.add_argument('--no-speed', action='store_true', help='only count')
    parser.add_argument('--device', help='cpu, cuda or cuda:N; with --no-speed also meta, which '
                                         'computes nothing (default: the GPU if there is one)')
    parser.add_argument('--out', metavar='FILE.json', help='also write the numbers here')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    shape = _shape(args.shape)
    require_number(args.repeats, '--repeats', minimum=1, whole=True)
    if args.out:
        writable_dir(Path(args.out).parent, 'folder of --out')

    from mmseg_maskclip.clip import pick_device
    from mmseg_maskclip.engine.config import load_config
    from mmseg_maskclip.engine.cost import cost_record, cost_table, measure_cost
    from mmseg_maskclip.engine.record import write_json

    config = load_config(args.config, parse_options(args.cfg_options))
    device = pick_device(args.device)
    cost = measure_cost(config, shape, device, 0 if args.no_speed else args.repeats)
    record = cost_record(cost, device)
    print(cost_table(cost))
    print('\n'.join(_notes(cost, record)))
    if args.out:
        write_json(Path(args.out), {'config': str(args.config), 'cfg_options': args.cfg_options,
                                    **record})


def _shape(words: list[int]) -> tuple[int, int]:
    if len(words) > 2:
        raise InputError(f'--shape is {words}, expected height and width, or one number for both.')
    for side in words:
        require_number(side, '--shape', minimum=1, whole=True)
    return words[0], words[-1]


def _notes(cost: Cost, record: dict) -> list[str]:
    """What the numbers are of."""
    height, width = cost.shape
    what = 'one window, as this model is tested by sliding one' if cost.slide else 'one image'
    notes = [f'of a network input of {height} x {width} (height x width), {what}']
    if cost.auxiliary[0]:
        notes.append(f'auxiliary heads, in training alone: {cost.auxiliary[0] / 1e6:.2f} M '
                     'parameters')
    if cost.images_per_second is not None:
        notes.append(
            f'{cost.images_per_second:.2f} images per second from this input to the label map, '
            f'batch 1, median of {len(cost.seconds)} runs after a warm-up ({record["device"]}, '
            f'{record["threads"]} threads, torch {record["versions"]["torch"]})')
    return notes
