"""Convert PASCAL Context to label files of 59 classes and background, and its two lists.

From the public .mat files of 459 labels (no extra package needed):
    python tools/dataset_converters/pascal_context.py data/VOCdevkit --mat-dir trainval
From the merged JSON, through the Detail API (package detail):
    python tools/dataset_converters/pascal_context.py data/VOCdevkit trainval_merged.json
With both, labels come from the .mat files and the lists from the JSON.
"""

from __future__ import annotations

import argparse

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('devkit_path', metavar='DEVKIT',
                        help='folder VOCdevkit, with VOC2010 in it')
    parser.add_argument('json_path', metavar='JSON', nargs='?',
                        help='merged JSON of PASCAL in Detail (trainval_merged.json)')
    parser.add_argument('-o', '--out_dir', '--out-dir', metavar='DIR',
                        help='for the labels (default: DEVKIT/VOC2010/SegmentationClassContext)')
    parser.add_argument('--mat-dir', metavar='DIR', help='folder of the public .mat files')
    parser.add_argument('--train-list', metavar='FILE',
                        help='names of training images (default: the split in the JSON, '
                             "else VOC 2010's own)")
    parser.add_argument('--val-list', metavar='FILE', help='names of validation images')
    parser.add_argument('--nproc', type=int, default=1, metavar='N',
                        help='number of processes for .mat files (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.datasets.converters import ContextSource, convert_pascal_context

    source = ContextSource(args.mat_dir, args.json_path, (args.train_list, args.val_list))
    print(convert_pascal_context(args.devkit_path, source, args.out_dir, args.nproc))
