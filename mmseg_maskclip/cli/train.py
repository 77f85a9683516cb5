"""What ``tools/train.py`` does with its command line."""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import torch
from mmseg.utils import setup_multi_processes

from mmseg_maskclip.cli.test import choose_gpu, parse_options
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.distributed import processes
from mmseg_maskclip.engine.train.train import TrainOptions, train_model


def run_train(args: argparse.Namespace) -> None:
    """Run ``tools/train.py``.

    Args:
        args: Its command line.

    Raises:
        InputError: If anything a user gave is wrong.
    """
    config = load_config(args.config, parse_options(args.cfg_options))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        setup_multi_processes(config)
    torch.backends.cudnn.benchmark = config.get('cudnn_benchmark', False)
    choose_gpu(args)
    work_dir = args.work_dir or config.get('work_dir') or os.path.join(
        'work_dirs', Path(args.config).stem)
    options = TrainOptions(
        work_dir=work_dir, load_from=args.load_from or config.get('load_from'),
        resume_from=args.resume_from or config.get('resume_from'),
        auto_resume=args.auto_resume, validate=not args.no_validate, seed=args.seed,
        diff_seed=args.diff_seed, deterministic=args.deterministic, amp=args.amp,
        auto_scale_lr=args.auto_scale_lr)
    with processes(args.launcher):
        train_model(config, options)
