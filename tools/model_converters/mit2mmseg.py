"""Convert SegFormer's ImageNet weights to mmseg's names.

    python tools/model_converters/mit2mmseg.py mit_b0.pth pretrain/mit_b0_weight.pth

SRC is mit_b0.pth to mit_b5.pth as SegFormer's authors publish them.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='published weights')
    parser.add_argument('dst', help='file to write')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    import torch

    from mmseg_maskclip.engine.train.checkpoint import read_weights
    from mmseg_maskclip.models.weights.mit import convert_mit
    from mmseg_maskclip.utils import atomic_path

    state = convert_mit(read_weights(args.src))
    with atomic_path(args.dst) as name:
        torch.save(state, name)
    print(f'{len(state)} tensors written to {args.dst}')


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
