"""Convert SegFormer's ImageNet weights to mmseg's names.

    python tools/model_converters/mit2mmseg.py mit_b0.pth pretrain/mit_b0_weight.pth

SRC is mit_b0.pth to mit_b5.pth as SegFormer's authors publish them.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('src', help='published weights')
    parser.add_argument('dst', help='file to write')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    import torch

    from mmseg_maskclip.clip import read_checkpoint_file
    from mmseg_maskclip.models.weights.mit import convert_mit
    from mmseg_maskclip.utils import atomic_path

    state = convert_mit(read_checkpoint_file(args.src, what='weights').state)
    with atomic_path(args.dst) as name:
        torch.save(state, name)
    print(f'{len(state)} tensors written to {args.dst}')
