"""Change statements of the package one at a time: does a test notice?

    python tools/mutate.py                                  40 statements drawn by seed 0
    python tools/mutate.py --seed 1 --count 10 --jobs 2     others, two at a time
    python tools/mutate.py mmseg_maskclip/ops --out ops.json
    python tools/mutate.py mmseg_maskclip/engine/train/ema.py --tests tests/engine/train

Each drawn statement is changed in a copy of the working tree: a comparison, an operator or a number
becomes another, a condition is negated, a statement is deleted. Then the tests beside the module
run (tests/ mirrors the package; for models and ops also tests/parity) until one fails. Survivors
are what no test notices: add a test, or find out why the change can't matter. Docstrings,
annotations, logs and the messages of errors stay as they are.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATHS = [f'mmseg_maskclip/{part}' for part in ('ops', 'models', 'evaluation', 'datasets')]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('paths', nargs='*', metavar='PATH',
                        help=f'modules or folders (default: {" ".join(PATHS)})')
    parser.add_argument('--seed', type=int, default=0, help='draws the statements (default: 0)')
    parser.add_argument('--count', type=int, default=40, help='statements (default: 40)')
    parser.add_argument('--jobs', type=int, default=1, help='mutants at a time (default: 1)')
    parser.add_argument('--timeout', type=float, default=600,
                        help='seconds for the tests of one mutant (default: 600)')
    parser.add_argument('--tests', nargs='+', metavar='TEST',
                        help='run these for every mutant, not the tests beside it')
    parser.add_argument('--root', type=Path, default=ROOT,
                        help='git repository with the paths and tests/ (default: this one)')
    parser.add_argument('--out', metavar='FILE.json', help='also write the results here')
    args = parser.parse_args()
    for name in ('count', 'jobs', 'timeout'):
        if not getattr(args, name) > 0:
            parser.error(f'--{name}: expected a number above 0, got {getattr(args, name)}')
    return args


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.utils import InputError, atomic_path

    from mutation.mutants import draw_mutants
    from mutation.run import copy_tree, nearest_tests, run_mutants, run_tests

    root, paths = args.root.resolve(), args.paths or PATHS
    if not (root / '.git').exists():
        raise InputError(f'expected the root of a git repository, got {root}.')
    missing = [path for path in (*paths, *(args.tests or ())) if path[0] != '-'
               and not (root / path.split('::')[0]).exists()]
    if missing:
        raise InputError(f'expected modules, folders and tests below {root}, got {missing[0]!r}.')
    mutants = draw_mutants(root, paths, args.count, args.seed)
    selections = [args.tests or nearest_tests(root, mutant.file) for mutant in mutants]
    with tempfile.TemporaryDirectory(prefix='mutate_') as folder:
        copy_tree(root, Path(folder, 'unchanged'))
        tests = list(dict.fromkeys(test for selection in selections for test in selection))
        sound = run_tests(Path(folder, 'unchanged'), tests, args.timeout * len(mutants))
        if sound.result != 'survived':
            raise InputError(f'without any change {sound.noticed_by} fails: expected tests that '
                             'pass; fix it, or choose others with --tests.')

        def show(mutant, outcome) -> None:
            print(f'{outcome.result:9}{mutant.file}:{mutant.line}  {mutant.change}',
                  file=sys.stderr, flush=True)

        outcomes = run_mutants(root, mutants, selections, args.timeout, Path(folder), args.jobs,
                               show)
    print(table(mutants, outcomes))
    if args.out:
        rows = [{'file': mutant.file, 'line': mutant.line, 'what': mutant.what,
                 'before': mutant.before, 'after': mutant.after, 'result': outcome.result,
                 'noticed_by': outcome.noticed_by, 'seconds': round(outcome.seconds, 1)}
                for mutant, outcome in zip(mutants, outcomes)]
        with atomic_path(args.out) as temporary:
            temporary.write_text(json.dumps({'seed': args.seed, 'mutants': rows}, indent=1) + '\n')


def table(mutants: list, outcomes: list) -> str:
    """One row a mutant, and how many of each result."""
    from prettytable import PrettyTable

    rows = PrettyTable(['statement', 'change', 'result', 'noticed by'], align='l')
    for mutant, outcome in zip(mutants, outcomes):
        rows.add_row([f'{mutant.file}:{mutant.line}', mutant.change, outcome.result,
                      outcome.noticed_by or ''])
    results = [outcome.result for outcome in outcomes]
    counts = ', '.join(f'{results.count(result)} {result}'
                       for result in ('killed', 'survived', 'timeout'))
    return f'{rows}\n{counts}'


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
