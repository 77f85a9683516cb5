"""Encode class names into the text features of the class weight.

The mean over the prompts of a class is not brought to unit length again; else
the same as prompt_engineering.py. Writes {SET}_{MODEL}_clip_text_features.pth.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='RN50',
                        help='CLIP model that reads the images; the published configs use ViT16 '
                             '(default: RN50)')
    parser.add_argument('--class-set', nargs='+', default=['voc'], metavar='SET',
                        help='published sets, or text files with one class a line (default: voc)')
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--no-prompt-eng', action='store_true',
                       help='use the single template "a photo of a {}."')
    group.add_argument('--templates', metavar='SET', help='template set (default: imagenet85)')
    parser.add_argument('--checkpoint', metavar='FILE',
                        help='CLIP checkpoint in any form (default: the one in pretrain/)')
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.add_argument('--batch-size', type=int, default=256, help='prompts per forward pass')
    parser.add_argument('--out', metavar='DIR', default='pretrain',
                        help='folder to write to (default: pretrain)')
    args = parser.parse_args()
    args.synonyms = 'mean'
    return args


def main(args: argparse.Namespace) -> None:
    """Read, encode, write."""
    from mmseg_maskclip.cli.text_bank import write_bank

    write_bank(args, normalize=False, tell=print)


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
