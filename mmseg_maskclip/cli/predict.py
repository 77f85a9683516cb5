"""Label pictures with words of one's own.

    maskclip predict pictures/*.jpg --classes cat dog 'grass; lawn' --out out
    maskclip predict pictures --classes words.txt --model ViT-B/16 --weights ViT-B-16.pt \\
        --formats png coco --overlay --out out
    maskclip predict pictures --model CONFIG --checkpoint latest.pth --out out

A pixel that none of the words fits is NONE, 255 in index PNGs: the words compete with a contrast
set of other words. A trained model takes its classes from its checkpoint. What is done with these
settings is skipped, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Mapping

from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_precision,
    add_process_flags,
    choose_gpu,
    parse_options,
    settle_flags,
)
from mmseg_maskclip.formats import FORMATS, require_formats
from mmseg_maskclip.utils import InputError, read_lines, require_number

if TYPE_CHECKING:
    from mmseg_maskclip.apis.file_runs import Summary
    from mmseg_maskclip.apis.predictor import Predictor

# The pictures may stand behind the flags.
INTERMIXED = True
_OFF = 'none'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('pictures', nargs='*', metavar='PICTURE',
                        help='files, folders, quoted patterns such as "a/**/*.jpg", or text files '
                             'of one path a line')
    parser.add_argument('--out', metavar='DIR', default='work_dirs/predict',
                        help='where results go (default: %(default)s)')
    _add_word_flags(parser)
    _add_model_flags(parser)
    results = parser.add_argument_group('results')
    results.add_argument('--formats', nargs='+', default=['png'], metavar='FORMAT',
                         help=f'some of {", ".join(FORMATS)} (default: png)')
    results.add_argument('--overlay', action='store_true', help='draw the labels over the pictures')
    results.add_argument('--opacity', type=float, default=0.5,
                         help='of the drawn labels, in (0, 1]')
    results.add_argument('--threshold', type=float, default=0.0, metavar='P',
                         help='pixels of a lower confidence are NONE (default: 0, off)')
    results.add_argument('--no-resume', action='store_true',
                         help='label again what is done with these settings')
    add_cfg_options(parser)
    add_process_flags(parser)


def _add_word_flags(parser: argparse.ArgumentParser) -> None:
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


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group('model')
    model.add_argument('--model', default='ViT-B/16',
                       help='a CLIP model, a config or the name of a shipped one, or a checkpoint '
                            'that training wrote (default: %(default)s; TinyRN needs no file)')
    model.add_argument('--weights', '--checkpoint', metavar='FILE',
                       help='checkpoint of the model (default: of a CLIP model that in pretrain/)')
    model.add_argument('--clip-weights', metavar='FILE',
                       help='CLIP file that encodes other words than those of a trained model')
    model.add_argument('--method', metavar='NAME', help='naclip, sclip, clearclip, ...: how a CLIP '
                       'ViT is read, a file of configs/heads/methods (default: maskclip)')
    model.add_argument('--size', type=int, metavar='PIXELS',
                       help='short side that pictures are resized to')
    model.add_argument('--ks-thresh', type=float, default=0.0, metavar='T',
                       help='of key smoothing (the paper: 1.0; default: 0, off)')
    model.add_argument('--pd-thresh', type=float, default=0.0, metavar='T',
                       help='of prompt denoising (the paper: 0.5; default: 0, off)')
    model.add_argument('--batch-size', type=int, default=1, metavar='N',
                       help='pictures of one size in a row that go through the model together')
    add_precision(model, 'fp32', 'fp32')
    model.add_argument('--max-pixels', type=int, default=100_000_000, metavar='N',
                       help='larger pictures are left out (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong.
    """
    _check_flags(args)
    settle_flags(args)
    from mmseg_maskclip.apis import load
    from mmseg_maskclip.apis.file_runs import predict_files
    from mmseg_maskclip.clip import vocabulary_of_words
    from mmseg_maskclip.engine.distributed import device_of_process, is_main, processes

    words = vocabulary_of_words(args.classes) if args.classes else None
    choose_gpu(args)
    with processes(args.launcher):
        predictor = load(
            args.model, args.weights, method=args.method, device=device_of_process(),
            size=args.size, templates=_templates(args), ks_thresh=args.ks_thresh,
            pd_thresh=args.pd_thresh, clip_weights=args.clip_weights,
            options=parse_options(args.cfg_options), max_pixels=args.max_pixels,
            precision=args.precision)
        if words is None and predictor.names is None:
            raise InputError(f'{args.model} has no classes of its own: give --classes, such as '
                             "--classes cat 'grass; lawn'")
        summary = predict_files(
            predictor, args.pictures, words, args.out, formats=args.formats, overlay=args.overlay,
            opacity=args.opacity, threshold=args.threshold, contrast=_contrast(args, predictor),
            batch_size=args.batch_size, resume=not args.no_resume)
        if is_main():
            _tell(summary, args)


def _check_flags(args: argparse.Namespace) -> None:
    if not args.pictures:
        raise InputError('expected pictures, got none: they stand in front of flags that take '
                         'several words, as --classes does')
    if args.background and not args.classes:
        raise InputError('--background needs --classes')
    args.formats = require_formats(args.formats)
    require_number(args.max_pixels, '--max-pixels', minimum=1)


def _templates(args: argparse.Namespace) -> Any:
    """The name of a set, or the sentences of a file."""
    named = args.templates
    if named is None or not (os.path.isfile(named) or named.lower().endswith('.txt')):
        return named
    return [line for line in read_lines(named, 'list of templates') if line]


def _contrast(args: argparse.Namespace, predictor: Predictor) -> Any:
    """The contrast set that the flags name."""
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


def _tell(summary: Summary, args: argparse.Namespace) -> None:
    """Print what was done, and where it is."""
    pictures = 'picture' if summary.pictures == 1 else 'pictures'
    before = f', {summary.done_before} done before' if summary.done_before else ''
    print(f'{summary.pictures} {pictures}: {summary.written} labelled{before}')
    if summary.only:
        _tell_words(summary.only)
    if summary.unreadable:
        print(f'{len(summary.unreadable)} could not be read and were left out; '
              f'{summary.folder / "predict.json"} names them')
    for name in args.formats:
        files = FORMATS[name]
        places = [*(one.format('*') for one in files.pictures), *files.shared,
                  *([files.merged] if files.merged else [])]
        print(f'{name}: {", ".join(str(summary.folder / place) for place in places)}')
    if args.overlay:
        print(f'overlay: {summary.folder / "overlay" / "*.png"}')


def _tell_words(record: Mapping[str, Any]) -> None:
    """Print what was found of each word in the only picture."""
    pixels = record['size'][0] * record['size'][1]
    for name, area in record['areas'].items():
        presence = (record['presence'] or {}).get(name)
        whole = '' if presence is None else f', presence {presence:.2f} (uncalibrated)'
        print(f'  {name}: {area / pixels:.1%} of the pixels, best confidence '
              f'{record["best_confidence"][name]:.2f}{whole}')
