"""Large banks and many files: what grows, and by how much."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.cost import random_bank
from mmseg_maskclip.portable.listing import list_pictures
from mmseg_maskclip.tinyworld.scenes import scene

from benchmarks.reference import random_checkpoint
from benchmarks.speed import _reset_peak, _status_mb, label_call, maskclip_of, median_times

GROWTH_GOAL_MB = 20.0
ROWS = 20_000
SIDE = 1024
_PREDICT = Path(__file__).resolve().parents[1] / 'predict.py'
_PICTURE = (64, 64)
_FOLDER = 1000


@torch.no_grad()
def bank_rows(arch: str, rows: int = ROWS, side: int = SIDE) -> list[dict]:
    """Image to labels with a random bank of many rows, on a CPU (Linux).

    Args:
        arch: Name of a CLIP model, whose weights are random.
        rows: Classes of the bank.
        side: Height and width of the image.

    Returns:
        Seconds beside the bare forward pass of the tower, and the peak of memory on top of
        the model beside what all scores at image size would take.
    """
    torch.manual_seed(0)
    spec = get_spec(arch)
    model = maskclip_of(random_checkpoint(spec), spec, 1)
    model.replace_classes(random_bank(rows, spec.embed_dim))
    image = torch.randn(1, 3, side, side)
    call = label_call(model, image)
    # First, before the allocator keeps what it has had once.
    before = _reset_peak()
    call()
    extra = _status_mb('VmHWM') - before
    seconds = median_times({'ours': call, 'bare': lambda: model.backbone.dense(image)}, 1,
                           torch.device('cpu'))
    what = f'{arch}, image -> labels, {side} x {side}, bank of {rows} rows'
    return [{'what': what, 'ours_s': seconds['ours'], 'reference_s': seconds['bare'],
             'reference': 'bare forward', 'ratio': seconds['ours'] / seconds['bare']},
            {'what': f'{what}: memory', 'extra_mb': extra,
             'plain_mb': rows * side * side * 4 / 2 ** 20}]


def file_rows(files: int, folder: Path | None = None) -> list[dict]:
    """maskclip predict over many small files, and the listing of a hundred times as many.

    Args:
        files: How many are labelled.
        folder: Where they are written; None for a temporary folder.

    Returns:
        Seconds of a picture and of the listing; megabytes by which the process grew from the
        first tenth of the pictures to the last one.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        pictures, out = Path(place) / 'pictures', Path(place) / 'out'
        _write_pictures(pictures, files)
        growth, rate, peak = _predict(pictures, out, files)
        listed = _listing(Path(place) / 'names', 100 * files)
    met = growth < GROWTH_GOAL_MB
    what = f'maskclip predict, TinyRN, {files} files of {_PICTURE[0]} x {_PICTURE[1]}'
    return [{'what': f"{what}: memory from the {files // 10}th to the last, goal < "
                     f"{GROWTH_GOAL_MB:.0f} MB{'' if met else ' MISSED'}", 'extra_mb': growth,
             'plain_mb': peak, 'reference': 'its peak', 'goal': GROWTH_GOAL_MB, 'met': met},
            {'what': f'{what}, a picture', 'ours_s': rate, 'reference_s': rate,
             'reference': 'itself', 'ratio': 1.0}, listed]


def _write_pictures(folder: Path, count: int) -> None:
    """Few contents under many names."""
    contents = []
    for index in range(8):
        path = folder.parent / f'{index}.png'
        Image.fromarray(scene(0, index).image).resize(_PICTURE).save(path)
        contents.append(path.read_bytes())
    for index in range(count):
        path = folder / str(index // _FOLDER) / f'{index:07}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[index % len(contents)])


def _predict(pictures: Path, out: Path, files: int) -> tuple[float, float, float]:
    """Growth in MB, seconds of a picture, and the peak in MB, seen from outside (Linux)."""
    command = [sys.executable, str(_PREDICT), str(pictures), '--out', str(out), '--model',
               'TinyRN', '--size', '64', '--device', 'cpu', '--classes', 'sky', 'grass', 'bricks']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)
    seen: list[tuple[int, float, float]] = []
    try:
        while process.poll() is None:
            resident = _resident_mb(process.pid)
            if resident:
                seen.append((_count(out / 'records'), time.perf_counter(), resident))
            time.sleep(0.5)
    finally:
        process.kill()
        error = process.communicate()[1]
    if process.returncode != 0 or _count(out / 'records') != files:
        raise RuntimeError(f'the run labelled {_count(out / "records")} of {files}: {error[-500:]}')
    running = [one for one in seen if one[0] >= files // 10]
    first, last = running[0], running[-1]
    return (max(one[2] for one in running) - first[2],
            (last[1] - first[1]) / max(last[0] - first[0], 1), max(one[2] for one in seen))


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf('SC_PAGE_SIZE') / 2 ** 20


def _count(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _listing(folder: Path, names: int) -> dict:
    """Seconds and memory of listing empty files, beside walking the folder alone."""
    for index in range(names):
        if index % _FOLDER == 0:
            (folder / str(index // _FOLDER)).mkdir(parents=True)
        os.close(os.open(folder / str(index // _FOLDER) / f'{index:07}.png',
                         os.O_CREAT | os.O_WRONLY))
    before = _reset_peak()
    started = time.perf_counter()
    listed = list_pictures(folder)
    seconds = time.perf_counter() - started
    extra = _status_mb('VmHWM') - before
    if len(listed) != names:
        raise RuntimeError(f'listed {len(listed)} of {names} names')
    started = time.perf_counter()
    _count(folder)
    walked = time.perf_counter() - started
    return {'what': f'the listing of {names} names, {extra:.0f} MB', 'ours_s': seconds,
            'reference_s': walked, 'reference': 'os.walk', 'ratio': seconds / walked,
            'listing_mb': extra}
