"""Eight processes that share the files of one run, of which one is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.tinyworld.scenes import scene

from helpers.tools import ROOT, run_tool

PROCESSES, PICTURES = 8, 320
WORDS = ['sky', 'grass', 'zebra']


def _records(out):
    """Those under their final names: what a killed process had begun is hidden."""
    return list((out / 'records').glob('[0-9]*.json'))


def _flags(pictures, out):
    return [pictures, '--out', out, '--model', 'TinyRN', '--size', '64', '--device', 'cpu',
            '--formats', 'coco', 'png', '--classes', *WORDS]


class _Watch:
    """Notes when each record of a run was written, as long as it lasts."""

    def __init__(self, out):
        self.out = out
        self.times = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(0.02):
            self.note()

    def note(self):
        for path in _records(self.out):
            try:
                self.times.setdefault(path.name, set()).add(path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue


def _shared(pictures, out, kill_at=None):
    """Run the launcher: its exit code. One of the processes is killed at so many records."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1',
                   'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    command = ['bash', ROOT / 'tools/dist_predict.sh', PROCESSES, *_flags(pictures, out)]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while kill_at is not None and len(_records(out)) < kill_at:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        if kill_at is not None:
            workers = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
            assert len(workers) == PROCESSES
            os.kill(int(workers[3]), signal.SIGKILL)
        told = process.communicate(timeout=900)[0]
    finally:
        process.kill()
    return process.returncode, told


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='needs /proc')
def test_nothing_is_done_twice_or_lost_where_one_is_killed(tmp_path):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(PICTURES):
        Image.fromarray(np.roll(scene(2, index % 8).image, index, axis=1)).resize((64, 64)).save(
            pictures / f'{index:03}.png')
    alone, out = tmp_path / 'alone', tmp_path / 'out'
    assert run_tool('tools/predict.py', *_flags(pictures, alone)).returncode == 0
    with _Watch(out) as watch:
        code, told = _shared(pictures, out, kill_at=PICTURES // 4)
        watch.note()
        before = len(watch.times)
        assert code != 0 and PICTURES // 4 <= before < PICTURES, told
        assert not {'predict.json', 'coco.json'} & {path.name for path in out.iterdir()}
        code, told = _shared(pictures, out)
        watch.note()
    assert code == 0, told
    summary = json.loads((out / 'predict.json').read_text())
    assert (summary['pictures'], summary['done_before'], summary['written'],
            summary['processes']) == (PICTURES, before, PICTURES - before, PROCESSES)
    # Every picture has been labelled once, in the one run or in the other.
    assert len(watch.times) == PICTURES
    assert {name for name, times in watch.times.items() if len(times) > 1} == set()
    names = sorted(path.relative_to(alone) for path in alone.rglob('*') if path.is_file())
    assert names == sorted(path.relative_to(out) for path in out.rglob('*')
                           if path.is_file() and not path.name.startswith('.'))
    differing = [name for name in names if (alone / name).read_bytes() != (out / name).read_bytes()]
    assert differing == [Path('predict.json')]
