"""Train a segmentor.

    python tools/train.py CONFIG
    python tools/train.py CONFIG --work-dir work_dirs/mine --auto-resume

With several processes: bash tools/dist_train.sh CONFIG N. Checkpoints, logs
and the config go to the work dir. An interrupted run goes on with
--auto-resume and ends as it would have ended.
"""

import argparse
import os


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='default: work_dirs/CONFIG_NAME')
    parser.add_argument('--load-from', metavar='FILE',
                        help='start a new run from the weights of this checkpoint')
    parser.add_argument('--resume-from', metavar='FILE', help='go on with this checkpoint')
    parser.add_argument('--auto-resume', action='store_true',
                        help='go on with the newest intact checkpoint of the work dir, if any')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate meanwhile')
    parser.add_argument('--seed', type=int, help='of everything random (default: drawn)')
    parser.add_argument('--diff-seed', '--diff_seed', action='store_true',
                        help='different dropout in every process')
    parser.add_argument('--deterministic', action='store_true',
                        help='the same bits every time, slower on a GPU')
    parser.add_argument('--amp', nargs='?', const='fp16', choices=['fp16', 'bf16'],
                        help='mixed precision; fp16 where none is named, then behind CONFIG')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate with the total batch')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='override settings of the config, as in mmseg')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--gpu-id', type=int, default=0, help='GPU of a run of one process')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmseg_maskclip.cli.train import run_train

    run_train(args)


if __name__ == '__main__':
    arguments = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(arguments.local_rank))
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
