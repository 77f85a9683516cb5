"""Test and measure on one GPU in at most 8 minutes; weights are random, nothing is downloaded.

    bash tools/gpu_check.sh                       all parts, the most valuable first
    bash tools/gpu_check.sh --out gpu.json        also a JSON and a markdown table, gpu.md
    bash tools/gpu_check.sh --parts tests step-fp32
    bash tools/gpu_check.sh --dry-run             every part at toy size on the CPU
    python tools/gpu_check.py --part step-bf16    one part in this process

Each part runs in a process of its own with a time limit, so that one that fails or hangs costs
its own row alone. What was measured until then counts.
"""

import argparse
import sys
from pathlib import Path

from gpu_checks.packages import missing_packages, require_torch
from gpu_checks.parts import PARTS
from gpu_checks.runner import LEAST_SECONDS

# Eight minutes, less what it takes to start and to stop the last part.
SECONDS = 470


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='parts:\n' + '\n'.join(f'  {part.name:18} {part.title}' for part in PARTS))
    names = [part.name for part in PARTS]
    parser.add_argument('--out', type=Path, metavar='FILE.json',
                        help='write results here after each part, and a table as FILE.md')
    parser.add_argument('--parts', nargs='+', choices=names, metavar='PART', default=names,
                        help='run these alone, in the order of the list below')
    parser.add_argument('--seconds', type=float, default=SECONDS,
                        help='all parts together (default: %(default)s)')
    parser.add_argument('--dry-run', action='store_true',
                        help='toy sizes on the CPU; the tests are counted, not run')
    parser.add_argument('--part', choices=['environment', *names], metavar='PART',
                        help='run this one here, without a time limit')
    parser.add_argument('--rows', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.seconds >= LEAST_SECONDS:
        parser.error(f'--seconds is {args.seconds:g}, expected at least {LEAST_SECONDS:g}: no part '
                     'gets through its imports in less')
    if args.out is not None and args.out.suffix != '.json':
        parser.error(f'--out is {args.out}, expected a name that ends in .json')
    return args


def main(args: argparse.Namespace) -> int:
    if args.part:
        from gpu_checks.child import run_here

        return run_here(args.part, args.dry_run, args.rows)
    from gpu_checks.session import run_session

    return run_session(args)


if __name__ == '__main__':
    arguments = parse_args()
    missing = missing_packages()
    if not arguments.part:
        print(missing.text())
    reason = missing.reason() or require_torch()
    if reason:
        print(f'error: {reason}', file=sys.stderr)
        sys.exit(2)
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
