"""Convert a CLIP checkpoint to the files of the earlier tools.

Optional: everywhere a CLIP checkpoint is expected, the original file does.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('--model', default='RN50',
                        help='CLIP model, e.g. RN50, ViT16, ViT-L/14@336px, or an open_clip name '
                             'as NAME or NAME:PRETRAINED_TAG (default: RN50)')
    parser.add_argument('--backbone', action='store_true',
                        help='write the image tower for tools/test.py')
    parser.add_argument('--checkpoint', metavar='FILE',
                        help='CLIP checkpoint in any form (default: the one in pretrain/)')
    parser.add_argument('--out', metavar='DIR', default='pretrain',
                        help='folder to write to (default: pretrain)')


def run(args: argparse.Namespace) -> None:
    """Read, check, write."""
    from mmseg_maskclip.clip import (
        backbone_path,
        find_checkpoint,
        get_spec,
        how_to_get,
        read_clip_checkpoint,
        weights_path,
        write_backbone_file,
        write_weights_file,
    )
    spec = get_spec(args.model)
    path = args.checkpoint or find_checkpoint(spec)
    checkpoint = read_clip_checkpoint(path, how_to_get(spec))
    print(f'{path}: {checkpoint.form}, {checkpoint.tower}')
    target = (backbone_path if args.backbone else weights_path)(spec.short_name, args.out)
    (write_backbone_file if args.backbone else write_weights_file)(checkpoint, spec, target)
    print(f'wrote {target}')
