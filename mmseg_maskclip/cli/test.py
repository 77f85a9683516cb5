"""Test a segmentor, or segment pictures with it.

    python tools/test.py CONFIG CHECKPOINT --eval mIoU
    python tools/test.py configs/maskclip/maskclip_vit16_512x512_demo.py pretrain/ViT-B-16.pt \\
        --img-dir my_pictures --classes cat dog 'grass; lawn' --show-dir drawn

CONFIG is a file, or the name of a shipped one (maskclip/maskclip_vit16_512x512_demo.py).
CHECKPOINT is what training wrote, or for MaskCLIP a CLIP file in any form.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_process_flags,
    choose_gpu,
    parse_options,
    settle_flags,
)
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmcv import Config


ALL = 'all15'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--eval', nargs='+', default=[], metavar='METRIC',
                        help='evaluate: mIoU, mDice, mFscore')
    parser.add_argument('--out', metavar='FILE.pkl', help='write all label maps to this file')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the labels over the images')
    parser.add_argument('--opacity', type=float, default=0.5,
                        help='of the drawn labels, in (0, 1]')
    parser.add_argument('--format-only', action='store_true',
                        help='write the label maps as index PNGs, or in the form that the '
                             "benchmark of the data set asks for, to WORK_DIR/format_results or "
                             '--eval-options imgfile_prefix=DIR')
    parser.add_argument('--work-dir', help='where metrics go (default: work_dirs/CONFIG_NAME)')
    parser.add_argument('--aug-test', action='store_true', help='six scales, with flips')
    parser.add_argument('--img-scale', type=int, nargs=2, metavar=('W', 'H'),
                        help='test at this scale')
    parser.add_argument('--corruption', metavar='NAME',
                        help='corrupt every image first; all15: test clean and under each of '
                             "ImageNet-C's fifteen, in one table")
    parser.add_argument('--severity', type=int, choices=range(1, 6), default=None,
                        help='of the corruption (default: 1)')
    parser.add_argument('--img-dir', metavar='DIR', help='segment the pictures of this folder')
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='class names; or one file of them (a name a line, or a list of CVAT, '
                             'LabelMe or COCO), or the name of a published set')
    parser.add_argument('--background', nargs='+', default=[], metavar='NAME',
                        help='names of classes that are drawn black')
    add_cfg_options(parser)
    parser.add_argument('--eval-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='arguments for the evaluation or the format')
    parser.add_argument('--gpu-collect', action='store_true',
                        help='merge label maps through the process group, not through files')
    parser.add_argument('--tmpdir', metavar='DIR',
                        help='where several processes put label maps to merge them (default: the '
                             'work dir)')
    parser.add_argument('--show', action='store_true', help=argparse.SUPPRESS)
    add_process_flags(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    _check_flags(args)
    settle_flags(args)
    from mmseg_maskclip.engine.distributed import limit_threads, processes
    from mmseg_maskclip.engine.results.corruptions import test_corruptions
    from mmseg_maskclip.engine.test import TestOptions, test_model

    config = read_test_config(args)
    limit_threads(config)
    choose_gpu(args)
    work_dir = args.work_dir or config.get('work_dir') or os.path.join(
        'work_dirs', Path(args.config).stem)
    extra = {'aug_test': args.aug_test, 'corruption': args.corruption,
             'severity': (args.severity or 1) if args.corruption else None,
             'cfg_options': args.cfg_options}
    options = TestOptions(
        metrics=args.eval, eval_options=parse_options(args.eval_options), out=args.out,
        show_dir=args.show_dir, opacity=args.opacity, format_only=args.format_only,
        work_dir=work_dir, gpu_collect=args.gpu_collect, tmpdir=args.tmpdir, extra=extra)
    with processes(args.launcher, config.get('dist_params')):
        if args.corruption == ALL:
            test_corruptions(config, args.checkpoint, options, args.severity or 1)
        else:
            test_model(config, args.checkpoint, options)


def _check_flags(args: argparse.Namespace) -> None:
    if args.show:
        raise InputError('--show would open windows: use --show-dir DIR, which writes the pictures '
                         'to files')
    if not (args.eval or args.out or args.show_dir or args.format_only):
        raise InputError('nothing to do: give --eval, --out, --show-dir or --format-only')
    if args.eval and args.format_only:
        raise InputError('--eval and --format-only exclude each other')
    if args.severity and not args.corruption:
        raise InputError('--severity needs --corruption NAME')
    if args.background and not args.classes:
        raise InputError('--background needs --classes')


def read_test_config(args: argparse.Namespace) -> Config:
    """The config with everything the command line changes in it.

    Args:
        args: The command line.

    Raises:
        InputError: If a flag does not fit the config.
    """
    from mmseg_maskclip.engine import config as configs

    config = configs.load_config(args.config, parse_options(args.cfg_options))
    if args.img_dir:
        configs.set_images(config, args.img_dir)
    if args.classes:
        configs.set_classes(config, args.classes, args.background)
    if args.img_scale:
        configs.set_img_scale(config, tuple(args.img_scale))
    if args.aug_test:
        configs.set_aug_test(config)
    if args.corruption and args.corruption != ALL:
        configs.set_corruption(config, args.corruption, args.severity or 1)
    return config
