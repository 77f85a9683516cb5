"""Convert labels that are painted in colours to index PNGs, one id per pixel.

    python tools/dataset_converters/colour_labels.py painted labels --colours labelmap.txt

The colour table has a class a line, name:r,g,b, or is CVAT's labelmap.txt; the place of a class in
it is its id. Only equal colours count: one that is not in the table is an error that names it.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('painted', metavar='PAINTED', help='folder of colour pictures')
    parser.add_argument('labels', metavar='LABELS', help='folder for the index PNGs')
    parser.add_argument('--colours', '--colors', required=True, metavar='FILE',
                        help="lines name:r,g,b, or CVAT's labelmap.txt")
    parser.add_argument('--void', nargs='+', default=[], metavar='R,G,B',
                        help='colours whose pixels are to be ignored (255)')
    parser.add_argument('--nproc', type=int, default=1, metavar='N',
                        help='number of processes (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.datasets.converters import convert_colour_labels

    print(convert_colour_labels(args.painted, args.labels, args.colours, args.void, args.nproc))
