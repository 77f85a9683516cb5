"""Pretrain a tiny CLIP on pictures and captions of the embedded world, never on a mask."""

from __future__ import annotations

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True, choices=('TinyRN', 'TinyViT', 'TinyViT8'))
    parser.add_argument('--steps', type=int, help="default: the shipped weights' own")
    parser.add_argument('--batch', type=int, help='pairs per step')
    parser.add_argument('--lr', type=float, help='peak learning rate')
    parser.add_argument('--patch-dropout', type=float,
                        help='share of patches a ViT does not see in a step')
    parser.add_argument('--seed', type=int, default=0,
                        help='of pictures, captions and initial weights (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=1,
                        help='processes that draw pictures (default: %(default)s)')
    parser.add_argument('--text-from', choices=('TinyRN', 'TinyViT'),
                        help='take over the text tower of this shipped CLIP, frozen')
    parser.add_argument('--out', help='weights to write, with a .json record beside them '
                                      '(default: work_dirs/tiny_rn.pth, tiny_vit.pth or '
                                      'tiny_vit8.pth)')
    parser.add_argument('--resume', action='store_true',
                        help='go on with an interrupted run of the same options')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.tinyworld.pretraining.model import FILES
    from mmseg_maskclip.tinyworld.pretraining.recipe import RECIPES
    from mmseg_maskclip.tinyworld.pretraining.records import pretrain_to_file
    from mmseg_maskclip.utils import progress_bar

    given = {name: getattr(args, name)
             for name in ('steps', 'batch', 'lr', 'patch_dropout', 'seed', 'text_from')
             if getattr(args, name) is not None}
    out = args.out or f'work_dirs/{FILES[args.model]}'
    recipe = RECIPES[args.model].changed(**given)
    with progress_bar(recipe.steps, 'pretraining', 'step') as bar:
        def on_step(step: int, loss: float) -> None:
            bar.set_postfix(loss=f'{loss:.3f}', refresh=False)
            # The first step of a resumed run comes after those of the run before.
            bar.update(step - bar.n)

        record = pretrain_to_file(recipe, out, workers=args.workers, on_step=on_step,
                                  resume=args.resume)
    print(f"{out}: class retrieval {100 * record['retrieval']['class_top1']:.1f} %, "
          f"caption retrieval {100 * record['retrieval']['set_top1']:.1f} %")


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
