"""Write the embedded world's scenes in VOC's folder layout."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('out', nargs='?', default='data/tinyworld',
                        help='folder to write (default: %(default)s)')
    parser.add_argument('--train', type=int, default=400, metavar='N',
                        help='training scenes (default: %(default)s)')
    parser.add_argument('--val', type=int, default=100, metavar='N',
                        help='validation scenes (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0,
                        help='another seed, another world (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from mmseg_maskclip.tinyworld.writer import World, write_world
    from mmseg_maskclip.utils import progress_bar

    world = World(train=args.train, val=args.val, seed=args.seed)
    with progress_bar(world.train + world.val, 'tinyworld', 'scene') as bar:
        written = write_world(args.out, world, on_scene=bar.update)
    print(f'{args.out}: {world.train} training and {world.val} validation scenes'
          + ('' if written else ', already there'))
