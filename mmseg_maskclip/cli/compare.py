"""Draw image, labels and truth side by side, for one model or several.

    python tools/compare.py --model MaskCLIP CONFIG CHECKPOINT [--model ...] --out grid.png
"""

from __future__ import annotations

import argparse

from mmseg_maskclip.cli.options import add_cfg_options, parse_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('--model', nargs=3, action='append', required=True, dest='models',
                        metavar=('TITLE', 'CONFIG', 'CHECKPOINT'), help='one column; repeat it')
    parser.add_argument('--out', required=True, metavar='FILE.png', help='the picture to write')
    parser.add_argument('--num', type=int, default=6, help='how many images (default: 6)')
    parser.add_argument('--records', nargs='+', metavar='DIR',
                        help='also print the newest metrics in these work dirs of tools/test.py, '
                             'one a model, as one table')
    add_cfg_options(parser, 'every config')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.engine.comparison import compare_models, records_table

    if args.records:
        print(records_table([title for title, *_ in args.models], args.records))
    print(compare_models(args.models, args.out, args.num, parse_options(args.cfg_options)))
