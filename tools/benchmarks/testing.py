"""What tools/test.py costs beside the bare forward pass, and what half precision changes."""

from __future__ import annotations

import json
import logging
import pickle
import statistics
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np
import torch
from mmcv import Config
from PIL import Image

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.inference import grouped, samples_of_process
from mmseg_maskclip.engine.overrides.own_images import set_classes, set_images
from mmseg_maskclip.engine.overrides.pipelines import set_img_scale
from mmseg_maskclip.engine.results.options import TestOptions
from mmseg_maskclip.engine.test import test_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.tinyworld.writer import World, write_world

from benchmarks.reference import random_checkpoint, random_file
from benchmarks.speed import CLASSES, SIZE, label_call, maskclip_of, median_times

GOAL = 1 / 0.9
NAMES = ('sky', 'grass', 'water', 'sand', 'bricks')
WORLD = {'TinyRN': 'tiny/maskclip_tinyrn_256x256_tinyworld.py',
         'TinyViT8': 'tiny/maskclip_tinyvit8_128x128_tinyworld.py'}
_DEMO = 'maskclip/maskclip_vit16_512x512_demo.py'
_PICTURE = (500, 375)


def halves(device: torch.device) -> tuple[str, ...]:
    """The half precisions of a device."""
    return ('bf16', 'fp16') if device.type == 'cuda' else ('bf16',)


@torch.no_grad()
def precision_rows(arch: str, device: torch.device, repeats: int) -> list[dict]:
    """Image to label map in half precision against fp32, with the share of equal labels.

    Args:
        arch: Name of a CLIP model, whose weights are random.
        device: Where it runs.
        repeats: Timed runs of each.

    Returns:
        A row for each half precision.
    """
    torch.manual_seed(0)
    spec = get_spec(arch)
    model = maskclip_of(random_checkpoint(spec), spec, CLASSES).to(device)
    call = label_call(model, torch.randn(1, 3, *SIZE, device=device))

    def run(precision: str) -> np.ndarray:
        """The label map."""
        with running_in(precision, device):
            return call()[0]

    whole = run('fp32')
    names = ('fp32', *halves(device))
    seconds = median_times({name: partial(run, name) for name in names}, repeats, device)
    return [_precision_row(
        f'{arch} image -> labels, {SIZE[0]} x {SIZE[1]}, K={CLASSES}, random weights', name,
        float((run(name) == whole).mean()), seconds[name], seconds['fp32'])
        for name in halves(device)]


def world_rows(arch: str, device: torch.device, scenes: int) -> list[dict]:
    """mIoU of an embedded model in each precision, against real labels.

    Args:
        arch: One of :data:`WORLD`.
        device: Where it runs.
        scenes: How many are tested.

    Returns:
        A row for each half precision.
    """
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder) / 'world', World(train=0, val=scenes))
        config = load_config(WORLD[arch], {'data.test.data_root': f'{folder}/world',
                                           'data.workers_per_gpu': 0})
        for name in ('fp32', *halves(device)):
            found[name] = _tested(config, str(get_spec(arch).weights), name, Path(folder) / name)
    whole = found['fp32']
    for name in halves(device):
        share = float(np.mean([(one == other).mean() for one, other in zip(
            found[name]['maps'], whole['maps'])]))
        row = _precision_row(
            f'{arch}, {scenes} scenes of the embedded world, mIoU '
            f'{100 * found[name]["miou"]:.2f} against {100 * whole["miou"]:.2f}', name, share,
            found[name]['seconds'], whole['seconds'])
        rows.append({**row, 'miou': found[name]['miou'], 'miou_fp32': whole['miou']})
    return rows


def _tested(config: Config, weights: str, precision: str, folder: Path) -> dict:
    maps = folder / 'maps.pkl'
    with _quiet():
        metrics = test_model(config, weights, TestOptions(
            ['mIoU'], out=str(maps), work_dir=str(folder), precision=precision)) or {}
    record, = folder.glob('eval_*.json')
    return {'miou': metrics['mIoU'], 'maps': pickle.loads(maps.read_bytes()),
            'seconds': json.loads(record.read_text())['seconds']}


@contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _precision_row(what: str, name: str, share: float, ours: float, fp32: float) -> dict:
    return {'what': f'{what}, {name}: {100 * share:.2f} % of labels are those of fp32',
            'ours_s': ours, 'reference_s': fp32, 'reference': 'fp32', 'ratio': ours / fp32,
            'precision': name, 'equal_labels': share}


def loop_rows(arch: str, device: torch.device, repeats: int, files: int,
              short: int = 512) -> list[dict]:
    """tools/test.py over a folder of JPEG files against the bare forward on the same inputs.

    Seconds are those of an image once the loop runs, taken from when the label files were
    written: weights and text embeddings are loaded before.

    Args:
        arch: Name of a CLIP model, whose weights are random.
        device: Where it runs.
        repeats: Runs of each, of which the median counts.
        files: How many pictures, of :data:`_PICTURE` pixels.
        short: Short side that they are resized to.

    Returns:
        A row for each batch and precision.
    """
    spec = get_spec(arch)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / 'pictures'
        pictures.mkdir()
        for index in range(files):
            Image.fromarray(scene(0, index % 8).image).resize(_PICTURE).save(
                pictures / f'{index:05}.jpg')
        weights = random_file(spec, Path(folder))
        config = _config(arch, pictures, short)
        for precision in ('fp32', *halves(device)) if device.type == 'cuda' else ('fp32',):
            for batch in (1, 8 if device.type == 'cuda' else 2):
                ours, bare = [], []
                forward = _bare(config, str(weights), precision, batch, device)
                for turn in range(repeats):
                    ours.append(_loop(config, str(weights), precision, batch,
                                      Path(folder) / f'{precision}_{batch}_{turn}'))
                    bare.append(forward())
                rows.append(_loop_row(f'{arch}, {files} JPEG files of {_PICTURE[0]} x '
                                      f'{_PICTURE[1]} -> index PNG, batch {batch}, {precision}',
                                      statistics.median(ours), statistics.median(bare)))
    return rows


def _config(arch: str, pictures: Path, short: int) -> Config:
    spec = get_spec(arch)
    kind = 'ClipViT' if spec.kind == 'vit' else 'ClipResNet'
    config = load_config(_DEMO, {'model.backbone.type': kind, 'model.backbone.arch': arch,
                                 'model.decode_head.text_channels': spec.embed_dim,
                                 'model.decode_head.templates': 'single'})
    set_images(config, str(pictures))
    set_classes(config, NAMES)
    set_img_scale(config, (4 * short, short))
    return config


def _loop(config: Config, weights: str, precision: str, batch: int, folder: Path) -> float:
    """Seconds of an image in the loop of a test run."""
    with _quiet():
        test_model(config, weights, TestOptions(
            format_only=True, work_dir=str(folder), precision=precision, batch=batch))
    written = sorted(path.stat().st_mtime_ns for path in folder.rglob('*.png'))
    # The first batch waits for the worker processes to start.
    return (written[-1] - written[batch - 1]) / 1e9 / (len(written) - batch)


def _bare(config: Config, weights: str, precision: str, batch: int,
          device: torch.device) -> Callable[[], float]:
    """The tower alone on the same inputs, in memory: a call that gives the seconds of an image."""
    model = build_model(config)
    load_weights(model, weights, str(device))
    model = model.to(device).eval()
    dataset = build_test_dataset(config)
    groups = grouped(samples_of_process(dataset, config), batch, model)
    inputs = [torch.stack([sample['img'][0] for _, sample in group]).to(device)
              for group in groups]

    @torch.no_grad()
    def run() -> None:
        """Every input once."""
        with running_in(precision, device):
            for images in inputs:
                model.backbone.dense(images)

    return lambda: median_times({'bare': run}, 1, device)['bare'] / len(dataset)


def _loop_row(what: str, ours: float, bare: float) -> dict:
    ratio = ours / bare
    met = ratio <= GOAL
    return {'what': f"{what}, an image, goal <= {GOAL:.2f}{'' if met else ' MISSED'}",
            'ours_s': ours, 'reference_s': bare, 'reference': 'bare forward, same inputs',
            'ratio': ratio, 'goal': GOAL, 'met': met}


def rows_of_precision(models: Sequence[str], device: torch.device, repeats: int,
                      scenes: int) -> list[dict]:
    """All rows of the part ``precision``.

    Args:
        models: Names of CLIP models.
        device: Where they run.
        repeats: As in :func:`precision_rows`.
        scenes: As in :func:`world_rows`.
    """
    return [*(row for arch in models for row in precision_rows(arch, device, repeats)),
            *(row for arch in WORLD for row in world_rows(arch, device, scenes))]
