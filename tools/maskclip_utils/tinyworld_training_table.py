"""Trained models in the embedded world over several seeds.

    python tools/maskclip_utils/tinyworld_training_table.py --groups students zero_shot

Students, zero-shot, class weight, the read-outs of teachers, and ZegCLIP: prints the tables of
docs/tinyworld.md, docs/class_weight.md and docs/readouts.md. A run takes two to three minutes on
two cores; what was finished before is not repeated.
"""

import argparse
import sys
from pathlib import Path

GROUPS = ('students', 'zero_shot', 'class_weight', 'readouts', 'zegclip')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--groups', nargs='+', choices=GROUPS, default=list(GROUPS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time (default: 1)')
    parser.add_argument('--work-dir', default='work_dirs/tinyworld_training')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='override settings of every config')
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f'--jobs is {args.jobs}, expected at least 1')
    return args


def main(args: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from mmseg_maskclip.utils import require_dir

    from tinyworld.training_table import RECIPES, train_all, training_markdown

    root = Path(__file__).resolve().parents[2]
    require_dir(root / 'data/tinyworld', 'embedded world',
                'Make it with: python tools/dataset_converters/tinyworld.py data/tinyworld')
    for group in args.groups:
        rows = train_all(root, Path(args.work_dir), [one for one in RECIPES if one.group == group],
                         args.seeds, args.jobs, args.cfg_options)
        print(f'{group}, mean and standard deviation over seeds {args.seeds}\n')
        print(training_markdown(rows), flush=True)


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
