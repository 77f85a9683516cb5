"""Encode class names with a CLIP model's text tower into a text bank."""

import argparse


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Encode class names into {SET}_{MODEL}_clip_text.pth.')
    parser.add_argument('--model', default='RN50',
                        help='CLIP model, e.g. RN50, ViT16, ViT-L/14@336px, or an open_clip name '
                             'as NAME or NAME:PRETRAINED_TAG (default: RN50)')
    parser.add_argument('--class-set', nargs='+', default=['voc'], metavar='SET',
                        help='published sets (voc, context, stuff, ade, city, ...) or text files '
                             'with one class a line, synonyms separated by ";" (default: voc)')
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--no-prompt-eng', action='store_true',
                       help='use the single template "a photo of a {}."')
    group.add_argument('--templates', metavar='SET',
                       help='imagenet85 (default), openai80, zegclip15, cifar18 or single')
    parser.add_argument('--synonyms', choices=['mean', 'separate'], default='mean',
                        help='average the synonyms of a class, or keep a row for each '
                             '(default: mean)')
    parser.add_argument('--checkpoint', metavar='FILE',
                        help='CLIP checkpoint in any form (default: the one in pretrain/)')
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.add_argument('--batch-size', type=int, default=256, help='prompts per forward pass')
    parser.add_argument('--out', metavar='DIR', default='pretrain',
                        help='folder to write to (default: pretrain)')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Read, encode, write."""
    from mmseg_maskclip.cli.text_bank import write_bank

    write_bank(args, normalize=True, tell=print)


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
