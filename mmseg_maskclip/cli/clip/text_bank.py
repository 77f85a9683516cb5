"""Encode class names with a CLIP model's text tower into {SET}_{MODEL}_clip_text.pth."""

from __future__ import annotations

import argparse

SINGLE = 'single'
DEFAULT = 'imagenet85'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_text_arguments(parser)
    parser.add_argument('--synonyms', choices=['mean', 'separate'], default='mean',
                        help='average the synonyms of a class, or keep a row for each '
                             '(default: mean)')


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command that encodes class names takes."""
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
                       help='imagenet85 (default), imagenet80, zegclip15, cifar18 or single')
    parser.add_argument('--checkpoint', metavar='FILE',
                        help='CLIP checkpoint in any form (default: the one in pretrain/)')
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.add_argument('--batch-size', type=int, default=256, help='prompts per forward pass')
    parser.add_argument('--out', metavar='DIR', default='pretrain',
                        help='folder to write to (default: pretrain)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    write_bank(args, args.synonyms, normalize=True)


def choose_templates(args: argparse.Namespace, synonyms: str) -> tuple[str, str]:
    """The template set, and its part of the file name.

    Args:
        args: The command line.
        synonyms: ``'mean'`` or ``'separate'``.
    """
    if args.no_prompt_eng:
        templates, variant = SINGLE, 'npe'
    elif args.templates:
        templates, variant = args.templates, '' if args.templates == DEFAULT else args.templates
    else:
        # The adjectives of the blur set would be lost among templates that have adjectives.
        templates, variant = SINGLE if 'blur' in args.class_set else DEFAULT, ''
    if synonyms == 'separate':
        variant = f'{variant}_synonyms'.lstrip('_')
    return templates, variant


def write_bank(args: argparse.Namespace, synonyms: str, normalize: bool) -> None:
    """Read a CLIP checkpoint, encode class names, write a text bank.

    Args:
        args: The command line.
        synonyms: ``'mean'`` or ``'separate'``.
        normalize: Whether the mean over the prompts of a class is L2-normalised.

    Raises:
        InputError: If any user input is wrong.
    """
    from mmseg_maskclip.clip import (
        bank_path,
        build_text_bank,
        combine_vocabularies,
        find_checkpoint,
        get_spec,
        how_to_get,
        load_templates,
        pick_device,
        read_clip_checkpoint,
    )
    spec = get_spec(args.model)
    vocabulary = combine_vocabularies(args.class_set)
    templates, variant = choose_templates(args, synonyms)
    # Also a check of the name, before the checkpoint is read.
    count = len(load_templates(templates))
    device = pick_device(args.device)
    path = args.checkpoint or find_checkpoint(spec)
    checkpoint = read_clip_checkpoint(path, how_to_get(spec))
    print(f'{path}: {checkpoint.form}; {len(vocabulary)} classes, {count} templates, {device}')
    bank = build_text_bank(checkpoint, spec, vocabulary, templates, synonyms, normalize,
                           device=device, batch_size=args.batch_size)
    target = bank_path(vocabulary.name, spec.short_name, args.out, variant, normalize)
    bank.save(target)
    print(f'wrote {target}: {len(bank.embeddings)} x {bank.width}')
