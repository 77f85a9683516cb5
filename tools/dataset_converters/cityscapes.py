"""Convert Cityscapes' *_gtFine_labelIds.png to *_gtFine_labelTrainIds.png of 19 classes."""

from __future__ import annotations

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('cityscapes_path', metavar='CITYSCAPES', help='folder with gtFine')
    parser.add_argument('--nproc', type=int, default=1, metavar='N',
                        help='number of processes (default: %(default)s)')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.datasets.converters import convert_cityscapes

    print(convert_cityscapes(args.cityscapes_path, args.nproc))


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
