"""Write a model as a graph from an image and a text bank to scores, and check the file.

    maskclip export ViT-B/16 --classes cat dog 'grass; lawn' --out vit16.onnx
    maskclip export ViT-B/16 --method naclip --to torch-export --out naclip.pt2
    maskclip export CONFIG --checkpoint latest.pth --out student.onnx

The words go into a bank beside it, NAME.npz; maskclip bank makes others for the same file. Before
a file gets its name it is compared with the model, at three sizes and with two banks.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from mmseg_maskclip.apis.exporting import Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('model', metavar='MODEL',
                        help='as in maskclip predict: a CLIP model, a config, or a checkpoint that '
                             'training wrote')
    parser.add_argument('--to', choices=['onnx', 'torch-export'], default='onnx',
                        help='what to write (default: onnx)')
    parser.add_argument('--out', metavar='FILE', required=True, help='*.onnx, or *.pt2')
    parser.add_argument('--int8', action='store_true',
                        help='give the weights of linear layers 8 bits (ONNX Runtime)')
    parser.add_argument('--fidelity', choices=['clip', 'paper'], default='clip',
                        help='of a CLIP model that is given by its name (default: clip)')
    add_word_flags(parser)
    add_model_flags(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong, or the model can't be exported.
    """
    check_word_flags(args)
    from mmseg_maskclip.apis.exporting import export_loaded, make_bank, require_exportable
    from mmseg_maskclip.apis.loading import load

    settings = {'fidelity': args.fidelity, **load_settings(args)}
    require_exportable(args.model, args.out, args.to, args.int8, **settings)
    words = chosen_words(args)
    predictor = load(args.model, device='cpu', **settings)
    if args.contrast:
        check_has_words(args, predictor)
    bank = None
    if words is not None or predictor.names is not None:
        bank = make_bank(predictor, words, contrast=chosen_contrast(args, predictor))
    _tell(export_loaded(predictor, args.out, args.to, bank, args.int8), args)


def _tell(written: Exported, args: argparse.Namespace) -> None:
    """Print what was written, and what its check gave."""
    check = written.check
    sizes = ', '.join(f'{width} x {height}' for height, width in check.sizes)
    rows = ' and '.join(map(str, check.rows))
    equal = 'the same' if check.equal == 1 else f'the same in {check.equal:.2%}'
    print(f'wrote {written.path}, {written.path.stat().st_size / 2 ** 20:.1f} MiB')
    print(f'compared with the model at {sizes} pixels, with {rows} rows of text embeddings: '
          f'arg-max {equal}, largest difference {check.difference:.1e} of the largest score')
    if written.bank is None:
        print(f'words: maskclip bank --model {args.model} --classes NAME ... --out FILE.npz')
    elif args.to == 'onnx':
        print(f'wrote {written.bank}: maskclip predict PICTURES --model {written.path} '
              f'--bank {written.bank}')
    else:
        print(f"wrote {written.bank}, whose 'embeddings' are the second input of "
              f'torch.export.load({str(written.path)!r}).module()(image, bank)')
