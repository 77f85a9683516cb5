"""What ``tools/test.py`` does with its command line."""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import torch
from mmcv import Config
from mmcv.utils import DictAction
from mmseg.utils import setup_multi_processes

from mmseg_maskclip.engine.config import (
    load_config,
    set_aug_test,
    set_classes,
    set_corruption,
    set_images,
    set_img_scale,
)
from mmseg_maskclip.engine.distributed import processes
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.utils import InputError


def parse_options(pairs: list[str]) -> dict:
    """``KEY=VALUE`` words as mmcv reads them.

    Raises:
        InputError: If a word has no ``=``.
    """
    for pair in pairs:
        if '=' not in pair:
            raise InputError(f'option {pair!r} is no KEY=VALUE, such as '
                             'model.decode_head.ks_thresh=1.0.')
    if not pairs:
        return {}
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    try:
        return parser.parse_args(['--options', *pairs]).options
    except (AssertionError, ValueError) as error:
        raise InputError(f'options {pairs} can not be read: {error}') from error


def read_test_config(args: argparse.Namespace) -> Config:
    """The config with everything the command line changes in it.

    Args:
        args: The command line of ``tools/test.py``.

    Raises:
        InputError: If a flag does not fit the config.
    """
    config = load_config(args.config, parse_options(args.cfg_options))
    if args.img_dir:
        set_images(config, args.img_dir)
    if args.classes:
        set_classes(config, args.classes, args.background)
    if args.img_scale:
        set_img_scale(config, tuple(args.img_scale))
    if args.aug_test:
        set_aug_test(config)
    if args.corruption:
        set_corruption(config, args.corruption, args.severity or 1)
    return config


def run_test(args: argparse.Namespace) -> None:
    """Run ``tools/test.py``.

    Args:
        args: Its command line.

    Raises:
        InputError: If anything a user gave is wrong.
    """
    config = read_test_config(args)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        setup_multi_processes(config)
    choose_gpu(args)
    work_dir = args.work_dir or config.get('work_dir') or os.path.join(
        'work_dirs', Path(args.config).stem)
    facts = {'aug_test': args.aug_test, 'corruption': args.corruption,
             'severity': (args.severity or 1) if args.corruption else None,
             'cfg_options': args.cfg_options}
    options = TestOptions(
        metrics=args.eval, eval_options=parse_options(args.eval_options), out=args.out,
        show_dir=args.show_dir, opacity=args.opacity, format_only=args.format_only,
        work_dir=work_dir, gpu_collect=args.gpu_collect, facts=facts)
    with processes(args.launcher):
        test_model(config, args.checkpoint, options)


def choose_gpu(args: argparse.Namespace) -> None:
    """Make ``--gpu-id`` the device of a run of one process.

    Args:
        args: A command line with ``gpu_id`` and ``launcher``.

    Raises:
        InputError: If there is no such GPU.
    """
    if not torch.cuda.is_available() or args.launcher != 'none':
        return
    if not 0 <= args.gpu_id < torch.cuda.device_count():
        raise InputError(f'--gpu-id is {args.gpu_id}, this machine has '
                         f'{torch.cuda.device_count()} GPUs, counted from 0.')
    torch.cuda.set_device(args.gpu_id)
