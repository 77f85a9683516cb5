"""MaskCLIP on the embedded world: both towers, both fidelities, both refinements.

    python tools/maskclip_utils/tinyworld_table.py [--world data/tinyworld]

Prints the table of docs/tinyworld.md, with --class-weight that of docs/class_weight.md.
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
    parser.add_argument('--towers', nargs='+', choices=['TinyRN', 'TinyViT'],
                        default=['TinyRN', 'TinyViT'])
    parser.add_argument('--class-weight', action='store_true',
                        help='the modes and temperatures of the class weight instead')
    parser.add_argument('--work-dir', default='work_dirs/tinyworld_table')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from mmseg_maskclip.utils import require_dir

    from tinyworld.maskclip_table import markdown, tinyworld_rows, variants, weighted_variants

    world = require_dir(args.world, 'embedded world',
                        'Make it with: python tools/dataset_converters/tinyworld.py')
    logging.disable(logging.INFO)
    root = Path(__file__).resolve().parents[2]
    print(markdown(tinyworld_rows(root, world.resolve(), Path(args.work_dir),
                                  args.towers,
                                  weighted_variants if args.class_weight else variants)))


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
