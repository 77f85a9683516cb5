"""The ``maskclip`` command; ``tools/*.py`` are its commands under the names mmseg users know."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from typing import NoReturn, Sequence

from mmseg_maskclip import __version__
from mmseg_maskclip.cli.run import BAD_INPUT, run_tool

COMMANDS = {
    'predict': ('predict', "label pictures with words of one's own"),
    'test': ('test', 'test a segmentor, or segment a folder of pictures'),
    'export': ('export', 'write a model as ONNX or for torch.export, and check the file'),
    'bank': ('clip.bank', 'embed words for an exported model'),
    'train': ('train', 'train a segmentor'),
    'serve': ('serve', 'open a page in the browser: a picture, words, labels'),
    'compare': ('compare', 'draw images, labels of several models and ground truth side by side'),
    'get-flops': ('get_flops', 'count parameters and multiply-adds of a model, time it'),
    'check-dataset': ('check_dataset', 'look for mistakes in the files of a data set'),
    'download': ('clip.download', 'download CLIP weights, convert them, build usual text banks'),
    'text-bank': ('clip.text_bank', 'encode class names into a text bank'),
    'text-features': ('clip.text_features', 'encode class names for the class weight'),
    'convert-clip': ('clip.convert_clip', 'convert a CLIP file to those of the earlier tools'),
    'tinyworld': ('convert.tinyworld', 'write the embedded world'),
    'voc-aug': ('convert.voc_aug', 'convert the labels of PASCAL VOC 2012 aug'),
    'pascal-context': ('convert.pascal_context', 'convert the labels of PASCAL Context'),
    'coco-stuff164k': ('convert.coco_stuff164k', 'convert the labels of COCO-Stuff 164k'),
    'coco-object': ('convert.coco_object', 'convert the labels of COCO-Object'),
    'cityscapes': ('convert.cityscapes', 'convert the labels of Cityscapes'),
    'colour-labels': ('convert.colour_labels', 'convert labels that are painted in colours'),
    'mit2mmseg': ('convert.mit2mmseg', "convert SegFormer's ImageNet weights"),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run ``maskclip COMMAND ...`` and exit with its exit code.

    Args:
        argv: The command line without the program; None takes the process's.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # By hand: with argparse each command would have to be imported to declare its flags.
    if words[:1] in (['-h'], ['--help']):
        print(_usage())
        sys.exit(0)
    if words[:1] == ['--version']:
        print(f'mmseg_maskclip {__version__}')
        sys.exit(0)
    if not words or words[0] not in COMMANDS:
        sys.stderr.write(f'{_usage()}\nerror: {_what_is_wrong(words)}\n')
        sys.exit(BAD_INPUT)
    run_command(words[0], words[1:], prog=f'maskclip {words[0]}')


def run_command(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> NoReturn:
    """Run one command and exit with its exit code.

    Args:
        name: One of :data:`COMMANDS`.
        argv: Its command line; None takes the process's.
        prog: What to call the program in its help; None takes the script's name.
    """
    module = importlib.import_module(f'mmseg_maskclip.cli.{COMMANDS[name][0]}')
    parser = argparse.ArgumentParser(prog=prog, description=module.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    # Set by commands whose positional arguments may follow the options.
    intermixed = getattr(module, 'INTERMIXED', False)
    args = (parser.parse_intermixed_args if intermixed else parser.parse_args)(argv)
    run_tool(module.run, args)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {text}' for name, (_, text) in COMMANDS.items()]
    title = 'usage: maskclip COMMAND ...   (maskclip COMMAND --help for more)'
    return '\n'.join([title, '', *lines])


def _what_is_wrong(words: Sequence[str]) -> str:
    if not words:
        return 'a command is missing.'
    near = difflib.get_close_matches(words[0], COMMANDS, n=1)
    hint = f' Did you mean {near[0]!r}?' if near else ''
    return f'unknown command {words[0]!r}.{hint}'
