"""Pixels that are none of the words, on the embedded world: with and without a contrast set.

    python tools/maskclip_utils/rejection_table.py [--world data/tinyworld]

Prints the tables of docs/predict.md: absent words, each word alone, the limit of the cosine
above which a contrast word is left out, presence, and calibration; five to ten minutes a model.
"""

import argparse
import logging
import sys
from pathlib import Path

TABLES = ('absent', 'single', 'limit', 'presence', 'calibrate')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--world', default='data/tinyworld',
                        help='as tools/dataset_converters/tinyworld.py writes it')
    parser.add_argument('--models', nargs='+', metavar='NAME',
                        default=['TinyRN', 'TinyViT8, surgery', 'TinyViT8, naclip'],
                        help="some of 'TinyRN', 'TinyViT8, surgery', 'TinyViT8, naclip' "
                             '(default: all)')
    parser.add_argument('--tables', nargs='+', choices=TABLES, default=TABLES)
    parser.add_argument('--scenes', type=int, default=100, help='of the validation set')
    parser.add_argument('--splits', type=int, default=4, help='of the classes into halves')
    args = parser.parse_args()
    for name in ('scenes', 'splits'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} is {getattr(args, name)}, expected at least 1')
    return args


def main(args: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from mmseg_maskclip.utils import InputError, require_dir

    from tinyworld.rejection_table import MODELS, markdown, rejection_tables

    unknown = [name for name in args.models if name not in MODELS]
    if unknown:
        raise InputError(f'unknown model {unknown[0]!r}, expected some of {"; ".join(MODELS)}')
    world = require_dir(args.world, 'embedded world',
                        'Make it with: python tools/dataset_converters/tinyworld.py')
    logging.disable(logging.INFO)
    try:
        for measured in rejection_tables(world.resolve(), args.models, args.scenes, args.splits,
                                         args.tables):
            print(markdown(measured), flush=True)
    finally:
        logging.disable(logging.NOTSET)


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
