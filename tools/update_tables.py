"""Make the tables of published and measured metrics from configs/*/metafile.yml.

    python tools/update_tables.py           rewrite them in README.md, docs/ and configs/*/README.md
    python tools/update_tables.py --check   only print which are out of date (exit code 1)
"""

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing')
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    from docs.metafile import update_tables

    stale = update_tables(Path(__file__).resolve().parents[1], args.check)
    for document in stale:
        print(f'{"out of date" if args.check else "rewritten"}: {document}')
    return int(bool(stale) and args.check)


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
