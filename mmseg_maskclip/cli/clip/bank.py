"""Embed words for an exported model: other words need no other export.

    maskclip bank --model ViT-B/16 --classes cat dog 'grass; lawn' --out words.npz

The words compete with a contrast set, as in maskclip predict; it is in the file, too. A trained
model without --classes gives its own.
"""

from __future__ import annotations

import argparse

from mmseg_maskclip.cli.model_flags import (
    add_model_flags,
    add_word_flags,
    check_has_words,
    check_word_flags,
    chosen_contrast,
    chosen_words,
    load_settings,
)
from mmseg_maskclip.cli.options import add_cfg_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('--out', metavar='FILE', required=True, help='*.npz')
    add_word_flags(parser)
    model = add_model_flags(parser, thresholds=False)
    model.add_argument('--model', default='ViT-B/16',
                       help='the model that was exported, or one of the same CLIP model (default: '
                            '%(default)s)')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    check_word_flags(args)
    from mmseg_maskclip.apis import load, make_bank
    from mmseg_maskclip.portable.bank import require_name

    path = require_name(args.out)
    predictor = load(args.model, device='cpu', **load_settings(args))
    check_has_words(args, predictor)
    bank = make_bank(predictor, chosen_words(args), contrast=chosen_contrast(args, predictor))
    bank.save(path)
    words, contrast = (f'{len(one)} {what}word{"" if len(one) == 1 else "s"}'
                       for one, what in ((bank.names, ''), (bank.contrast, 'contrast ')))
    print(f'wrote {path}: {words}, {contrast}, CLIP model '
          f'{bank.clip}')
