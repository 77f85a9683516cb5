"""Look at the files of a config's data sets before they are used.

    python tools/check_dataset.py CONFIG

Per part: images, sizes, suffixes, ids in the labels with their shares, ids outside the classes,
missing and extra files, images that EXIF turns and their labels do not. Exit code 1 if anything
is wrong.
"""

from __future__ import annotations

import argparse
import copy
from typing import TYPE_CHECKING, Any

from mmseg_maskclip.cli.options import add_cfg_options, parse_options
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmcv import Config

PARTS = ('train', 'val', 'test')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS,
                        help='parts of data to look at (default: all)')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Args:
        args: Its command line.

    Returns:
        1 if there are problems, else 0.

    Raises:
        InputError: If the config can't be read.
    """
    from mmseg_maskclip.engine.config import load_config

    config = load_config(args.config, parse_options(args.cfg_options))
    total, shown = 0, set()
    for part in args.parts:
        settings = config.data.get(part)
        # Validation and test are the same files in most configs.
        if settings is None or str(settings) in shown:
            continue
        shown.add(str(settings))
        total += _check(config, part)
    if not shown:
        raise InputError(f'config {args.config} has no data.{" or data.".join(args.parts)}.')
    print(f'{total} problems were found.')
    return int(total > 0)


def _check(config: Config, part: str) -> int:
    """Print what is found in a part; how many problems there are."""
    from mmseg_maskclip.datasets.checking import check_part, parts_of

    name = f'data.{part}'
    try:
        sets = list(parts_of(_build(config, part)))
    except InputError as error:
        print(f'{name}\n  problem: {error}\n')
        return 1
    problems = 0
    for number, dataset in enumerate(sets, 1):
        report = check_part(dataset, f'{name} ({number} of {len(sets)})' if len(sets) > 1
                            else name)
        print('\n'.join(report.lines))
        for problem in report.problems:
            print(f'  problem: {problem}')
        print()
        problems += len(report.problems)
    return problems


def _build(config: Config, part: str) -> Any:
    from mmseg.datasets import build_dataset

    from mmseg_maskclip.datasets.joined import build_evaluated
    from mmseg_maskclip.engine import build  # noqa: F401  (registration)
    from mmseg_maskclip.engine.border import from_config

    with from_config(f'data.{part}'):
        settings = copy.deepcopy(config.data[part])
        return build_dataset(settings) if part == 'train' else build_evaluated(settings)
