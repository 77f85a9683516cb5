"""Flags of words and models that predict, export and bank share."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from mmseg_maskclip.cli.options import parse_options
from mmseg_maskclip.utils import InputError, read_lines

if TYPE_CHECKING:
    from mmseg_maskclip.apis.predictor import Predictor

_OFF = 'none'


def add_word_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the words and what they compete with.

    Args:
        parser: A command's.
    """
    words = parser.add_argument_group('words')
    words.add_argument('--classes', nargs='+', metavar='NAME',
                       help="class names, synonyms as in 'grass; lawn'; or one file of them, or "
                            "the name of a published set (default: the model's own)")
    words.add_argument('--background', nargs='+', default=[], metavar='NAME',
                       help='names of what else is there: their pixels are NONE, as those of the '
                            'contrast set that they are added to')
    words.add_argument('--contrast', nargs='+', metavar='WORD',
                       help='words that the classes compete with, one file of them or a published '
                            "set; 'none' gives every pixel a class (default: the model's own set)")
    words.add_argument('--templates', metavar='NAME|FILE',
                       help='sentences that class names are put into: a template set, or a file '
                            "with one a line, each with one '{}' (default: 85, or the model's own)")


def add_model_flags(parser: argparse.ArgumentParser, thresholds: bool = True) -> Any:
    """Declare how a model is loaded; its name itself is the command's own.

    Args:
        parser: A command's.
        thresholds: Whether it takes those of the two refinements.

    Returns:
        The group of flags, for more of them.
    """
    model = parser.add_argument_group('model')
    add_weight_flags(model)
    model.add_argument('--clip-weights', metavar='FILE',
                       help='CLIP file that encodes other words than those of a trained model')
    model.add_argument('--method', metavar='NAME', help='naclip, sclip, clearclip, ...: how a CLIP '
                       'ViT is read, a file of configs/heads/methods (default: maskclip)')
    model.add_argument('--size', type=int, metavar='PIXELS',
                       help='short side that pictures are resized to')
    if thresholds:
        model.add_argument('--ks-thresh', type=float, default=0.0, metavar='T',
                           help='of key smoothing (the paper: 1.0; default: 0, off)')
        model.add_argument('--pd-thresh', type=float, default=0.0, metavar='T',
                           help='of prompt denoising (the paper: 0.5; default: 0, off)')
    return model


def add_weight_flags(group: Any) -> None:
    """Declare the two names of the file that a model is loaded from.

    Args:
        group: A parser or a group of flags.
    """
    one = group.add_mutually_exclusive_group()
    one.add_argument('--weights', metavar='FILE',
                     help='CLIP file of a CLIP model (default: that in pretrain/)')
    one.add_argument('--checkpoint', metavar='FILE', dest='weights',
                     help='what training wrote, where the model is a config')


def load_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags of a model are to ``load``.

    Args:
        args: A command line with the flags of this module and ``--cfg-options``.

    Raises:
        InputError: If an option can't be read.
    """
    found = {'weights': args.weights, 'method': args.method, 'size': args.size,
             'templates': _templates(args), 'clip_weights': args.clip_weights,
             'options': parse_options(args.cfg_options)}
    thresholds = {name: getattr(args, name) for name in ('ks_thresh', 'pd_thresh')
                  if hasattr(args, name)}
    return {**found, **thresholds}


def _templates(args: argparse.Namespace) -> Any:
    """The name of a set, or the sentences of a file."""
    named = args.templates
    if named is None or not (os.path.isfile(named) or named.lower().endswith('.txt')):
        return named
    return [line for line in read_lines(named, 'list of templates') if line]


def check_word_flags(args: argparse.Namespace) -> None:
    """Refuse flags of words that don't go together.

    Args:
        args: A command line with the flags of :func:`add_word_flags`.

    Raises:
        InputError: If they don't.
    """
    if args.background and not args.classes:
        raise InputError('--background needs --classes')


def chosen_words(args: argparse.Namespace) -> Any:
    """The words that the flags name, None for the model's own.

    Args:
        args: As for :func:`check_word_flags`.

    Raises:
        InputError: If they can't be read.
    """
    from mmseg_maskclip.clip import vocabulary_of_words

    return vocabulary_of_words(args.classes) if args.classes else None


def check_has_words(args: argparse.Namespace, predictor: Predictor) -> None:
    """Refuse a model without classes of its own where none are given.

    Args:
        args: As for :func:`check_word_flags`, with ``model``.
        predictor: The model.

    Raises:
        InputError: If there are none.
    """
    if not args.classes and predictor.names is None:
        raise InputError(f'{args.model} has no classes of its own: give --classes, such as '
                         "--classes cat 'grass; lawn'")


def chosen_contrast(args: argparse.Namespace, predictor: Predictor) -> Any:
    """The contrast set that the flags name.

    Args:
        args: As for :func:`check_word_flags`.
        predictor: Whose own set it is by default.

    Raises:
        InputError: If it can't be read.
    """
    from mmseg_maskclip.clip import vocabulary_of_words
    from mmseg_maskclip.engine.predict.contrast import DEFAULT

    found: Any = DEFAULT
    if args.contrast is not None:
        off = args.contrast == [_OFF]
        found = None if off else vocabulary_of_words(args.contrast, '--contrast')
    if not args.background:
        return found
    known = predictor.contrast if args.contrast is None else getattr(found, 'class_names', ())
    added = vocabulary_of_words(args.background, '--background').class_names
    return [*known, *(name for name in added if name not in known)]
