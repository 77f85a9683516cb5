"""Training-free read-outs on the embedded world: both ViTs, in windows and on whole pictures.

    python tools/maskclip_utils/tinyworld_readouts_table.py [--world data/tinyworld]

Prints the table of docs/readouts.md.
"""

import argparse
import logging
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--world', default='data/tinyworld',
                        help='as tools/dataset_converters/tinyworld.py writes it')
    parser.add_argument('--towers', nargs='+', choices=['TinyViT', 'TinyViT8'],
                        default=['TinyViT', 'TinyViT8'])
    parser.add_argument('--methods', nargs='+', metavar='NAME',
                        help='some of the methods (default: all)')
    parser.add_argument('--work-dir', default='work_dirs/tinyworld_readouts_table')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from mmseg_maskclip.utils import InputError, require_dir

    from tinyworld.readout_table import METHODS, markdown, readout_rows

    unknown = [name for name in args.methods or () if name not in METHODS]
    if unknown:
        raise InputError(f'unknown method {unknown[0]!r}, expected some of {", ".join(METHODS)}')
    world = require_dir(args.world, 'embedded world',
                        'Make it with: python tools/dataset_converters/tinyworld.py')
    logging.disable(logging.INFO)
    print(markdown(list(readout_rows(world.resolve(), Path(args.work_dir), args.towers,
                                     args.methods or tuple(METHODS)))))


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
