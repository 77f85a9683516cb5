"""What the tools that encode class names do with their command lines."""

from __future__ import annotations

import argparse
from typing import Callable

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

SINGLE = 'single'
DEFAULT = 'imagenet85'


def choose_templates(args: argparse.Namespace) -> tuple[str, str]:
    """The template set, and how the file name tells it.

    Args:
        args: Command line of ``tools/maskclip_utils/prompt_engineering.py``.
    """
    if args.no_prompt_eng:
        templates, variant = SINGLE, 'npe'
    elif args.templates:
        templates, variant = args.templates, '' if args.templates == DEFAULT else args.templates
    else:
        # An adjective of the blur set would be lost among templates that have their own.
        templates, variant = SINGLE if 'blur' in args.class_set else DEFAULT, ''
    if args.synonyms == 'separate':
        variant = f'{variant}_synonyms'.lstrip('_')
    return templates, variant


def write_bank(args: argparse.Namespace, normalize: bool,
               tell: Callable[[str], None]) -> None:
    """Read a CLIP checkpoint, encode class names, write a text bank.

    Args:
        args: The command line.
        normalize: Whether the mean over the prompts of a class is brought to
            unit length.
        tell: Gets a line before and one after the work.

    Raises:
        InputError: If anything a user gave is wrong.
    """
    spec = get_spec(args.model)
    vocabulary = combine_vocabularies(args.class_set)
    templates, variant = choose_templates(args)
    count = len(load_templates(templates))
    device = pick_device(args.device)
    path = args.checkpoint or find_checkpoint(spec)
    checkpoint = read_clip_checkpoint(path, how_to_get(spec))
    tell(f'{path}: {checkpoint.form}; {len(vocabulary)} classes, {count} templates, {device}')
    bank = build_text_bank(checkpoint, spec, vocabulary, templates, args.synonyms, normalize,
                           device=device, batch_size=args.batch_size)
    target = bank_path(vocabulary.name, spec.short_name, args.out, variant, normalize)
    bank.save(target)
    tell(f'wrote {target}: {len(bank.embeddings)} x {bank.width}')
