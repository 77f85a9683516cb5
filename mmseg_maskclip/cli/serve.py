"""Open a page in the browser: a picture, words, labels.

    maskclip serve                                           the embedded model, nothing else needed
    maskclip serve --model ViT-B/16 --weights ViT-B-16.pt    any picture, any words
    maskclip serve --model CONFIG --checkpoint FILE          a trained model

Prints the address to open. It is of this machine alone and holds a secret of this run; pictures
stay in the memory of this process. Ctrl+C ends it. See docs/page.md.
"""

from __future__ import annotations

import argparse

from mmseg_maskclip.cli.model_flags import add_weight_flags
from mmseg_maskclip.utils import InputError, require_number

_INSTALL = ".venv/bin/pip install -e '.[web]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('--model', default='TinyRN', help='a CLIP model, a config, or a checkpoint '
                        'that training wrote (default: TinyRN, which is embedded)')
    add_weight_flags(parser)
    parser.add_argument('--method', help='how a CLIP model is read (default: maskclip)')
    parser.add_argument('--device', metavar='cpu|cuda|cuda:N',
                        help='where it runs (default: a GPU where there is one)')
    parser.add_argument('--size', type=int, metavar='N',
                        help='pixels of the short side that the model sees')
    parser.add_argument('--port', type=int, default=8000, metavar='N',
                        help='0 takes a free one (default: 8000)')


def run(args: argparse.Namespace) -> None:
    """Run the command.

    Args:
        args: Its command line.

    Raises:
        InputError: If any user input is wrong, the port is taken, or the extra is missing.
    """
    require_number(args.port, '--port', minimum=0, maximum=65535, whole=True)
    try:
        from mmseg_maskclip.web.server import bind, serve
    except ModuleNotFoundError as error:
        if error.name not in ('fastapi', 'uvicorn'):
            raise
        raise InputError(f'the page needs {error.name}, which is not installed: run '
                         f'{_INSTALL} in the checkout.') from error
    # Before the model is loaded, which takes longer.
    with bind(args.port) as listener:
        from mmseg_maskclip.web.session import open_session

        session = open_session(args.model, args.weights, args.method, device=args.device,
                               size=args.size)
        serve(session, listener,
              lambda address: print(f'Open {address}\nCtrl+C ends it.', flush=True))
