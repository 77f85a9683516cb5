"""Convert SBD's labels for PASCAL VOC 2012 aug: SegmentationClassAug, trainaug.txt, aug.txt."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('devkit_path', metavar='DEVKIT',
                        help='folder VOCdevkit, with VOC2012 in it')
    parser.add_argument('aug_path', metavar='AUG_DIR',
                        help='folder with dataset/cls of SBD (benchmark_RELEASE)')
    parser.add_argument('-o', '--out_dir', '--out-dir', metavar='DIR',
                        help='for the labels (default: DEVKIT/VOC2012/SegmentationClassAug)')
    parser.add_argument('--nproc', type=int, default=1, metavar='N',
                        help='number of processes (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.datasets.converters import convert_voc_aug

    print(convert_voc_aug(args.devkit_path, args.aug_path, args.out_dir, args.nproc))
