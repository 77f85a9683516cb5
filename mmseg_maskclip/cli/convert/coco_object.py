"""Convert COCO's pixel maps (stuffthingmaps) to *_instanceTrainIds.png of 81 classes."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('coco_path', metavar='COCO_PATH',
                        help='folder with annotations/train2017 and annotations/val2017')
    parser.add_argument('-o', '--out_dir', '--out-dir', metavar='DIR',
                        help='write there instead; images/ is linked (default: COCO_PATH)')
    parser.add_argument('--nproc', type=int, default=16, metavar='N',
                        help='number of processes (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.datasets.converters import convert_coco_object

    print(convert_coco_object(args.coco_path, args.out_dir, args.nproc))
