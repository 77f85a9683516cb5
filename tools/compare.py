"""Draw image, labels and truth side by side, for one model or several.

    python tools/compare.py --model MaskCLIP CONFIG CHECKPOINT [--model ...] --out grid.png
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', nargs=3, action='append', required=True, dest='models',
                        metavar=('TITLE', 'CONFIG', 'CHECKPOINT'), help='one column; repeat it')
    parser.add_argument('--out', required=True, metavar='FILE.png', help='the picture to write')
    parser.add_argument('--num', type=int, default=6, help='how many images (default: 6)')
    parser.add_argument('--records', nargs='+', metavar='DIR',
                        help='also print the newest figures in these work dirs of tools/test.py, '
                             'one a model, as one table')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='override settings of every config')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.cli.test import parse_options
    from mmseg_maskclip.engine.comparison import compare_models, records_table

    if args.records:
        print(records_table([title for title, *_ in args.models], args.records))
    print(compare_models(args.models, args.out, args.num, parse_options(args.cfg_options)))


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
