"""Train a segmentor.

    python tools/train.py CONFIG
    python tools/train.py CONFIG --work-dir work_dirs/mine --auto-resume

With several processes: bash tools/dist_train.sh CONFIG N. Checkpoints, logs
and the config go to the work dir. An interrupted run is resumed
with --auto-resume, and ends as it would have ended without the interruption.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_process_flags,
    choose_gpu,
    parse_options,
    settle_flags,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='default: work_dirs/CONFIG_NAME')
    parser.add_argument('--load-from', metavar='FILE',
                        help='start a new run from the weights of this checkpoint')
    parser.add_argument('--resume-from', metavar='FILE', help='resume from this checkpoint')
    parser.add_argument('--auto-resume', action='store_true',
                        help='resume from the newest intact checkpoint of the work dir, if any')
    parser.add_argument('--no-validate', action='store_true',
                        help='do not evaluate during training')
    parser.add_argument('--seed', type=int, help='of everything random (default: drawn)')
    parser.add_argument('--diff-seed', '--diff_seed', action='store_true',
                        help='different dropout in every process')
    parser.add_argument('--deterministic', action='store_true',
                        help='the same bits every time, slower on a GPU')
    parser.add_argument('--amp', nargs='?', const='fp16', choices=['fp16', 'bf16'],
                        help='mixed precision; fp16 where none is named, then behind CONFIG')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate with the total batch')
    parser.add_argument('--full-checkpoint', action='store_true',
                        help='write the frozen CLIP tower into checkpoints of ZegCLIP, which are '
                             'tested without its CLIP file then')
    parser.add_argument('--from-scratch', action='store_true',
                        help='let a transductive run of ZegCLIP start without --load-from, or any '
                             'from a model that has seen labels of its unseen classes')
    add_cfg_options(parser)
    add_process_flags(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    settle_flags(args)
    import torch

    from mmseg_maskclip.engine.config import load_config
    from mmseg_maskclip.engine.distributed import limit_threads, processes
    from mmseg_maskclip.engine.train.train import TrainOptions, train_model

    config = load_config(args.config, parse_options(args.cfg_options))
    limit_threads(config)
    # Before the model runs; --deterministic switches it off again.
    torch.backends.cudnn.benchmark = bool(config.get('cudnn_benchmark', False))
    choose_gpu(args)
    work_dir = args.work_dir or config.get('work_dir') or os.path.join(
        'work_dirs', Path(args.config).stem)
    options = TrainOptions(
        work_dir=work_dir, load_from=args.load_from or config.get('load_from'),
        resume_from=args.resume_from or config.get('resume_from'),
        auto_resume=args.auto_resume, validate=not args.no_validate, seed=args.seed,
        diff_seed=args.diff_seed, deterministic=args.deterministic, amp=args.amp,
        auto_scale_lr=args.auto_scale_lr, from_scratch=args.from_scratch,
        full_checkpoint=args.full_checkpoint)
    with processes(args.launcher, config.get('dist_params')):
        train_model(config, options)
