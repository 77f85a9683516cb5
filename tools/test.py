"""Test a segmentor, or segment pictures with it.

    python tools/test.py CONFIG CHECKPOINT --eval mIoU
    python tools/test.py configs/maskclip/maskclip_vit16_512x512_demo.py pretrain/ViT-B-16.pt \
        --img-dir my_pictures --classes cat dog 'grass; lawn' --show-dir drawn

CHECKPOINT is what training wrote, or for MaskCLIP a CLIP file in any form.
"""

import argparse
import os


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--eval', nargs='+', default=[], metavar='METRIC',
                        help='evaluate: mIoU, mDice, mFscore')
    parser.add_argument('--out', metavar='FILE.pkl', help='write all label maps to this file')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the labels over the images')
    parser.add_argument('--opacity', type=float, default=0.5,
                        help='of the drawn labels, in (0, 1]')
    parser.add_argument('--format-only', action='store_true',
                        help="write the label maps in the dataset's own submission format")
    parser.add_argument('--work-dir', help='where figures go (default: work_dirs/CONFIG_NAME)')
    parser.add_argument('--aug-test', action='store_true', help='six scales, with flips')
    parser.add_argument('--img-scale', type=int, nargs=2, metavar=('W', 'H'),
                        help='test at this scale')
    parser.add_argument('--corruption', metavar='NAME', help='corrupt every image first')
    parser.add_argument('--severity', type=int, choices=range(1, 6), default=None,
                        help='of the corruption (default: 1)')
    parser.add_argument('--img-dir', metavar='DIR', help='segment the pictures of this folder')
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='class names, or one .txt file with a name a line')
    parser.add_argument('--background', nargs='+', default=[], metavar='NAME',
                        help='names of classes that are drawn black')
    _add_host_flags(parser)
    args = parser.parse_args()
    if not (args.eval or args.out or args.show_dir or args.format_only):
        parser.error('nothing to do: give --eval, --out, --show-dir or --format-only')
    if args.eval and args.format_only:
        parser.error('--eval and --format-only exclude each other')
    if args.severity and not args.corruption:
        parser.error('--severity needs --corruption NAME')
    if args.background and not args.classes:
        parser.error('--background needs --classes')
    return args


def _add_host_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='override settings of the config, as in mmseg')
    parser.add_argument('--eval-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='arguments for the evaluation or the format')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--gpu-id', type=int, default=0, help='GPU of a run of one process')
    parser.add_argument('--gpu-collect', action='store_true',
                        help='merge label maps through the process group, not through files')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.cli.test import run_test

    run_test(args)


if __name__ == '__main__':
    arguments = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(arguments.local_rank))
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
