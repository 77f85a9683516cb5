"""A training run of two processes: nccl on two cards, gloo on the CPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import torch

from mmseg_maskclip.tinyworld.writer import World, write_world

ROOT = Path(__file__).resolve().parents[2]
_CONFIG = 'configs/tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py'
_STEPS, _TOY_STEPS = 40, 2
_TITLE = 'MaskCLIP+ in the embedded world, two processes over '


def measures(name: str, dry_run: bool, folder: Path) -> Iterator[tuple[str, Any]]:
    """One row, which says so where there is one card; see :func:`gpu_checks.child.measures_of`."""
    title = _TITLE + ('gloo' if dry_run else 'nccl')
    if not dry_run and torch.cuda.device_count() < 2:
        yield title, lambda: [{'what': title, 'found': 'one card'}]
        return
    yield title, lambda: [_train(title, folder, _TOY_STEPS if dry_run else _STEPS)]


def _train(title: str, folder: Path, steps: int) -> dict:
    world, work_dir = folder / 'world', folder / 'run'
    write_world(world, World(train=8, val=4))
    roots = [f'data.{part}.data_root={world}' for part in ('train', 'val', 'test')]
    command = [
        sys.executable, 'tools/maskclip_utils/launch.py', '--standalone', '--nproc_per_node=2',
        'tools/train.py', _CONFIG, '--work-dir', str(work_dir), '--seed', '0', '--launcher',
        'pytorch', '--cfg-options', *roots, 'data.samples_per_gpu=2', 'data.workers_per_gpu=0',
        'total_batch_size=4', f'runner.max_iters={steps}', f'evaluation.interval={steps}',
        f'checkpoint_config.interval={steps}', 'log_config.interval=1']
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT).returncode
    if code:
        raise RuntimeError(f'the run ended with exit code {code}, see the log')
    seconds = time.monotonic() - started
    losses = _losses(work_dir)
    metrics = json.loads((work_dir / 'evaluations.json').read_text())[str(steps)]['metrics']
    row = {'what': title, 'steps': len(losses), 'losses': losses, 'mIoU': metrics['mIoU'],
           'seconds': seconds,
           'found': f'{len(losses)} steps, loss {losses[0]:.2f} to {losses[-1]:.2f}, '
                    f'mIoU {metrics["mIoU"]:.3f}, {seconds:.0f} s'}
    if len(losses) != steps or not all(map(math.isfinite, losses)):
        row['failed'] = f'expected {steps} finite losses, got {losses}'
    return row


def _losses(work_dir: Path) -> list[float]:
    lines = next(iter(work_dir.glob('*.log.json'))).read_text().splitlines()
    return [entry['loss'] for entry in map(json.loads, lines) if entry.get('mode') == 'train']
