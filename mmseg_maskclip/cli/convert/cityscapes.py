"""Convert Cityscapes' *_gtFine_labelIds.png to *_gtFine_labelTrainIds.png of 19 classes."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('cityscapes_path', metavar='CITYSCAPES', help='folder with gtFine')
    parser.add_argument('--nproc', type=int, default=1, metavar='N',
                        help='number of processes (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.datasets.converters import convert_cityscapes

    print(convert_cityscapes(args.cityscapes_path, args.nproc))
