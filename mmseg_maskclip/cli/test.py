"""Test a segmentor, or segment pictures with it.

    python tools/test.py CONFIG CHECKPOINT --eval mIoU
    python tools/test.py configs/maskclip/maskclip_vit16_512x512_demo.py pretrain/ViT-B-16.pt \\
        --img-dir my_pictures --classes cat dog 'grass; lawn' --show-dir drawn
    python tools/test.py --method naclip --dataset voc21 pretrain/ViT-B-16.pt --eval mIoU

CONFIG is a file, or the name of a shipped one (maskclip/maskclip_vit16_512x512_demo.py).
CHECKPOINT is what training wrote, or for MaskCLIP a CLIP file in any form.
With --method a training-free method is tested without a config, see configs/heads/README.md.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_precision,
    add_process_flags,
    choose_gpu,
    parse_options,
    settle_flags,
)
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmcv import Config

    from mmseg_maskclip.engine.heads import Composition


ALL = 'all15'
_TESTS = '--eval, --out, --show-dir, --show-queries or --format-only'
# The checkpoint may stand behind the flags of a composed config.
INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('config', nargs='?', help='config file; none with --method')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file')
    _add_method_flags(parser)
    parser.add_argument('--eval', nargs='+', default=[], metavar='METRIC',
                        help='evaluate: mIoU, mDice, mFscore')
    parser.add_argument('--out', metavar='FILE.pkl', help='write all label maps to this file')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the labels over the images')
    parser.add_argument('--show-queries', metavar='DIR',
                        help="draw each class's attention over the images as heat maps (ZegCLIP)")
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
    add_precision(parser, None, 'fp32, or as the config says')
    parser.add_argument('--batch', type=int, default=1, metavar='N',
                        help='images of one size in a row that go through the model together')
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


def _add_method_flags(parser: argparse.ArgumentParser) -> None:
    flags = parser.add_argument_group('training-free methods, without a config')
    flags.add_argument('--method', metavar='NAME', help='naclip, sclip, clearclip, ...: a file of '
                       'configs/heads/methods')
    flags.add_argument('--dataset', metavar='NAME', help='voc21, context59, ade20k, ...: a file of '
                       'configs/heads/datasets')
    flags.add_argument('--protocol', metavar='NAME', help='whose input size, windows, thresholds '
                       "and class names, a file of configs/heads/protocols (default: the method's "
                       'own)')
    flags.add_argument('--clip', metavar='MODEL', help='CLIP model of the checkpoint (default: '
                       'ViT-B/16)')
    flags.add_argument('--save-config', metavar='FILE.py', help='write the composed config to a '
                       'file, to run or to edit it')


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    _check_flags(args)
    settle_words(args)
    settle_flags(args)
    from mmseg_maskclip.engine.distributed import is_main, limit_threads, processes
    from mmseg_maskclip.engine.heads import save_config
    from mmseg_maskclip.engine.results.corruptions import test_corruptions
    from mmseg_maskclip.engine.test import TestOptions, test_model

    chosen = _chosen(args)
    config = read_test_config(args, chosen)
    limit_threads(config)
    choose_gpu(args)
    work_dir = args.work_dir or config.get('work_dir') or os.path.join(
        'work_dirs', Path(args.config).stem if chosen is None else chosen.name)
    extra = {'aug_test': args.aug_test, 'corruption': args.corruption,
             'severity': (args.severity or 1) if args.corruption else None,
             'cfg_options': args.cfg_options}
    if chosen is not None:
        extra['composed'] = chosen.record
    options = TestOptions(
        metrics=args.eval, eval_options=parse_options(args.eval_options), out=args.out,
        show_dir=args.show_dir, show_queries=args.show_queries, opacity=args.opacity,
        format_only=args.format_only, work_dir=work_dir, gpu_collect=args.gpu_collect,
        tmpdir=args.tmpdir, precision=args.precision, batch=args.batch, extra=extra)
    with processes(args.launcher, config.get('dist_params')):
        if args.save_config and is_main():
            save_config(config, args.save_config, f'maskclip test {chosen.flags}')
        if not args.checkpoint:
            return
        if args.corruption == ALL:
            test_corruptions(config, args.checkpoint, options, args.severity or 1)
        else:
            test_model(config, args.checkpoint, options)


def _check_flags(args: argparse.Namespace) -> None:
    if args.show:
        raise InputError('--show would open windows: use --show-dir DIR, which writes the pictures '
                         'to files')
    if not (_tests(args) or args.save_config):
        raise InputError(f'nothing to do: give {_TESTS}')
    if args.eval and args.format_only:
        raise InputError('--eval and --format-only exclude each other')
    if args.severity and not args.corruption:
        raise InputError('--severity needs --corruption NAME')
    if args.background and not args.classes:
        raise InputError('--background needs --classes')


def _tests(args: argparse.Namespace) -> bool:
    """Whether something of a test is asked for."""
    return bool(args.eval or args.out or args.show_dir or args.show_queries or args.format_only)


def settle_words(args: argparse.Namespace) -> None:
    """Tell config and checkpoint apart, of which the first is left out with ``--method``.

    Args:
        args: The command line; changed in place.

    Raises:
        InputError: If one is missing or too many, or flags don't go together.
    """
    tests = _tests(args)
    if args.method is None:
        for flag in ('dataset', 'protocol', 'clip', 'save_config'):
            if getattr(args, flag):
                raise InputError(f'--{flag.replace("_", "-")} needs --method NAME, which composes '
                                 'a config')
        if args.checkpoint is None:
            raise InputError(f'expected CONFIG and CHECKPOINT, got {args.config or "neither"}: '
                             'both stand in front of flags that take several words, as --eval '
                             'does; only --method NAME does without CONFIG')
        return
    if args.checkpoint is not None:
        raise InputError(f'--method {args.method} composes a config and CONFIG is one: leave out '
                         f'either --method or {args.config}')
    args.config, args.checkpoint = None, args.config
    if tests and args.checkpoint is None:
        raise InputError(f'--method {args.method} needs CHECKPOINT, a CLIP file or the name of a '
                         'CLIP model, in front of flags that take several words, as --eval does')
    if args.checkpoint and not tests:
        raise InputError(f'nothing to do with the checkpoint: give {_TESTS} beside --save-config')


def _chosen(args: argparse.Namespace) -> Composition | None:
    """What ``--method`` and the flags beside it compose, None without it."""
    if args.method is None:
        return None
    from mmseg_maskclip.engine.heads import choose, part_names

    if args.dataset is None:
        raise InputError(f'--method {args.method} needs --dataset NAME, one of '
                         f'{", ".join(part_names("datasets"))}')
    return choose(args.method, args.dataset, args.protocol, args.clip or 'ViT-B/16')


def read_test_config(args: argparse.Namespace, chosen: Composition | None = None) -> Config:
    """The config with everything the command line changes in it.

    Args:
        args: The command line.
        chosen: What is composed; None reads the config that the command line names.

    Raises:
        InputError: If a flag does not fit the config.
    """
    from mmseg_maskclip.engine import config as configs
    from mmseg_maskclip.engine.heads.compose import config_of
    from mmseg_maskclip.engine.overrides import own_images, pipelines

    options = parse_options(args.cfg_options)
    if chosen is None:
        config = configs.load_config(args.config, options)
    else:
        config = config_of(chosen)
        configs.merge_options(config, options, f'the config of {chosen.flags}')
    if args.img_dir:
        own_images.set_images(config, args.img_dir)
    if args.classes:
        own_images.set_classes(config, args.classes, args.background)
    if args.img_scale:
        pipelines.set_img_scale(config, tuple(args.img_scale))
    if args.aug_test:
        pipelines.set_aug_test(config)
    if args.corruption and args.corruption != ALL:
        pipelines.set_corruption(config, args.corruption, args.severity or 1)
    return config
