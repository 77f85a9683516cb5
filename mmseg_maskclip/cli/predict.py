"""Label pictures with words of one's own.

    maskclip predict pictures/*.jpg --classes cat dog 'grass; lawn' --out out
    maskclip predict pictures --classes words.txt --model ViT-B/16 --weights ViT-B-16.pt \\
        --formats png coco --overlay --out out
    maskclip predict pictures --model CONFIG --checkpoint latest.pth --out out
    maskclip predict pictures --model exported.onnx --bank words.npz --out out

A pixel that none of the words fits is NONE, 255 in index PNGs: the words compete with a contrast
set of other words. A trained model takes its classes from its checkpoint. What is done with these
settings is skipped, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import importlib.util
from typing import TYPE_CHECKING, Any, Mapping

from mmseg_maskclip.cli.model_flags import (
    add_model_flags,
    add_word_flags,
    check_has_words,
    check_word_flags,
    chosen_contrast,
    chosen_words,
    load_settings,
)
from mmseg_maskclip.cli.options import (
    add_cfg_options,
    add_precision,
    add_process_flags,
    choose_gpu,
    settle_flags,
)
from mmseg_maskclip.formats import FORMATS, require_formats
from mmseg_maskclip.portable.bank import DEFAULT
from mmseg_maskclip.utils import InputError, require_number

if TYPE_CHECKING:
    from mmseg_maskclip.apis.file_runs import Summary

# The pictures may stand behind the flags.
INTERMIXED = True
_EXPORTED, _TORCH_EXPORTED = '.onnx', '.pt2'
# What an exported model takes; all else is about torch, or about words.
_OF_EXPORTED = {'pictures', 'out', 'model', 'bank', 'max_pixels', 'formats', 'overlay', 'opacity',
                'threshold', 'no_resume'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('pictures', nargs='*', metavar='PICTURE',
                        help='files, folders, quoted patterns such as "a/**/*.jpg", or text files '
                             'of one path a line')
    parser.add_argument('--out', metavar='DIR', default='work_dirs/predict',
                        help='where results go (default: %(default)s)')
    add_word_flags(parser)
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


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    model = add_model_flags(parser)
    model.add_argument('--model', default='ViT-B/16',
                       help='a CLIP model, a config or the name of a shipped one, a checkpoint '
                            'that training wrote, or an exported model *.onnx (default: '
                            '%(default)s; TinyRN needs no file)')
    model.add_argument('--bank', metavar='FILE',
                       help='words of an exported model, made by maskclip bank')
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
    if args.model.lower().endswith(_EXPORTED):
        _run_exported(args)
        return
    if args.model.lower().endswith(_TORCH_EXPORTED):
        raise InputError(f'{args.model} is a model for torch.export.load, expected one in ONNX: '
                         'maskclip export MODEL --to onnx --out FILE.onnx writes it')
    check_word_flags(args)
    if args.bank:
        raise InputError(f'--bank holds the words of an exported model, {args.model} is not one: '
                         'leave it out')
    settle_flags(args)
    from mmseg_maskclip.apis import load
    from mmseg_maskclip.engine.distributed import device_of_process, is_main, processes

    words = chosen_words(args)
    choose_gpu(args)
    with processes(args.launcher):
        predictor = load(args.model, device=device_of_process(), max_pixels=args.max_pixels,
                         precision=args.precision, **load_settings(args))
        check_has_words(args, predictor)
        summary = _predict(predictor, args, words, chosen_contrast(args, predictor))
        if is_main():
            _tell(summary, args)


def _run_exported(args: argparse.Namespace) -> None:
    """An exported model needs neither torch nor mmcv: nothing here may import them."""
    _refuse_flags_of_torch(args)
    if not args.bank:
        raise InputError(f'{args.model} is an exported model, which takes its words from a file: '
                         'give --bank FILE, made by maskclip bank')
    for used, name, package in ((args.overlay, 'cv2', 'opencv-python-headless'),
                                ('coco' in args.formats, 'pycocotools', 'pycocotools')):
        if used and importlib.util.find_spec(name) is None:
            flag = '--overlay' if name == 'cv2' else '--formats coco'
            raise InputError(f'{flag} needs a package that is not installed: pip install {package}')
    from mmseg_maskclip.apis.exported import load_exported

    predictor = load_exported(args.model, args.bank, max_pixels=args.max_pixels)
    _tell(_predict(predictor, args, None, DEFAULT), args)


def _refuse_flags_of_torch(args: argparse.Namespace) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for action in parser._actions:
        if action.dest in _OF_EXPORTED or not hasattr(args, action.dest):
            continue
        if getattr(args, action.dest) != action.default:
            flag = ' (--checkpoint)' if action.dest == 'weights' else ''
            raise InputError(f'{action.option_strings[0]}{flag} is for models that run in torch, '
                             f'{args.model} is an exported one: leave it out, its words are in '
                             '--bank')


def _predict(predictor: Any, args: argparse.Namespace, words: Any, contrast: Any) -> Summary:
    from mmseg_maskclip.apis.file_runs import predict_files

    return predict_files(
        predictor, args.pictures, words, args.out, formats=args.formats, overlay=args.overlay,
        opacity=args.opacity, threshold=args.threshold, contrast=contrast,
        batch_size=args.batch_size, resume=not args.no_resume)


def _check_flags(args: argparse.Namespace) -> None:
    if not args.pictures:
        raise InputError('expected pictures, got none: they stand in front of flags that take '
                         'several words, as --classes does')
    args.formats = require_formats(args.formats)
    require_number(args.max_pixels, '--max-pixels', minimum=1)


def _tell(summary: Summary, args: argparse.Namespace) -> None:
    """Print what was done, and where it is."""
    pictures = 'picture' if summary.pictures == 1 else 'pictures'
    before = f', {summary.done_before} done before' if summary.done_before else ''
    print(f'{summary.pictures} {pictures}: {summary.written} labelled{before}')
    if summary.only:
        _tell_words(summary.only)
    if summary.unreadable:
        were = 'was' if len(summary.unreadable) == 1 else 'were'
        print(f'{len(summary.unreadable)} could not be used and {were} left out; '
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
