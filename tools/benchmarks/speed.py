"""Speed and memory, as ratios in one run against something users know."""

from __future__ import annotations

import gc
import statistics
import time
from pathlib import Path
from typing import Callable, Sequence

import torch
import torch.nn.functional as F
from mmcv import Config
from torch import Tensor, nn

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    ClipSpec,
    build_text_bank,
    get_spec,
    load_templates,
)
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.cost import random_bank, timed_turns
from mmseg_maskclip.models.weights.clip import load_tower
from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map

from benchmarks.cells import COLUMNS, cells
from benchmarks.reference import random_checkpoint, reference_classifier, reference_encoder

SIZE = (512, 683)
CLASSES = 171
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def median_times(candidates: dict[str, Callable[[], object]], repeats: int,
                 device: torch.device) -> dict[str, float]:
    """Median seconds of several functions by name, see :func:`timed_turns`."""
    return {name: statistics.median(values)
            for name, values in timed_turns(candidates, repeats, device).items()}


def maskclip_of(checkpoint: ClipCheckpoint, spec: ClipSpec, num_classes: int) -> nn.Module:
    """MaskCLIP with a checkpoint's tower and random text embeddings, in clip fidelity.

    Args:
        checkpoint: The weights.
        spec: The model they are of.
        num_classes: K.
    """
    kind = 'ClipViT' if spec.kind == 'vit' else 'ClipResNet'
    model = build_model(Config({'model': dict(
        type='MaskClip', backbone=dict(type=kind, arch=spec.name, fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=num_classes,
                         text_channels=spec.embed_dim),
        test_cfg=dict(mode='whole'))}))
    load_tower(model.backbone, checkpoint)
    model.decode_head.set_text_bank(random_bank(num_classes, spec.embed_dim))
    return model.eval()


def label_call(model: nn.Module, image: Tensor) -> Callable[[], object]:
    """From an image to its label map, as a call without arguments.

    Args:
        model: A segmentor of this project.
        image: (1, 3, H, W).
    """
    size = tuple(image.shape[2:])
    meta = [{'ori_shape': (*size, 3), 'img_shape': (*size, 3), 'flip': False}]
    return lambda: model.simple_test(image, meta)


@torch.no_grad()
def image_to_labels(arch: str, device: torch.device, dtype: str, repeats: int,
                    size: tuple[int, int] = SIZE,
                    checkpoint: ClipCheckpoint | None = None) -> dict:
    """MaskCLIP image to label map against open_clip's visual forward on the same pixels.

    A ViT of open_clip leaves out what is beyond the last whole patch: it gets the padding that
    ours adds, so that both see as many patches.

    Args:
        arch: Name of a CLIP model.
        device: Where both run.
        dtype: A key of :data:`DTYPES`.
        repeats: Timed runs of each.
        size: Height and width of the image.
        checkpoint: Weights of the model, else random ones are made.

    Returns:
        Seconds and their ratio; in half precision also the share of labels that are fp32's.
    """
    torch.manual_seed(0)
    image, spec = torch.randn(1, 3, *size, device=device), get_spec(arch)
    checkpoint = checkpoint or random_checkpoint(spec)
    model = maskclip_of(checkpoint, spec, CLASSES).to(device)
    whole = label_call(model, image)()[0] if dtype != 'fp32' else None
    image, model = image.to(DTYPES[dtype]), model.to(DTYPES[dtype])
    patch = spec.patch_size or 1
    padded = F.pad(image, (0, -size[1] % patch, 0, -size[0] % patch))
    reference = reference_encoder(checkpoint, spec, padded.shape[2:]).to(device, DTYPES[dtype])
    seconds = median_times({'maskclip': label_call(model, image),
                            'open_clip': lambda: reference(padded)}, repeats, device)
    row = {'what': f'{arch} image -> labels, {size[0]} x {size[1]}, K={CLASSES}, {dtype}',
           'ours_s': seconds['maskclip'], 'reference_s': seconds['open_clip'],
           'reference': 'open_clip visual forward',
           'ratio': seconds['maskclip'] / seconds['open_clip']}
    if whole is not None:
        row['equal_labels'] = float((label_call(model, image)()[0] == whole).mean())
    return row


@torch.no_grad()
def text_bank(arch: str, device: torch.device, num_classes: int, repeats: int) -> dict:
    """Encoding a text bank in batches against open_clip's classifier, one class at a time.

    Args:
        arch: Name of a CLIP model.
        device: Where both run.
        num_classes: Classes of the bank, each with the 85 templates.
        repeats: Timed runs of each.

    Returns:
        Seconds and their ratio.
    """
    templates = load_templates('imagenet85')
    names = [f'thing number {index}' for index in range(num_classes)]
    spec = get_spec(arch)
    checkpoint = random_checkpoint(spec)
    by_class = reference_classifier(checkpoint, spec, names, templates, device)
    seconds = median_times({
        'batched': lambda: build_text_bank(checkpoint, spec, names, device=device, progress=False),
        'by class': by_class}, repeats, device)
    return {'what': f'{arch} text bank, {num_classes} classes x {len(templates)} prompts',
            'ours_s': seconds['batched'], 'reference_s': seconds['by class'],
            'reference': 'open_clip, one class at a time',
            'ratio': seconds['batched'] / seconds['by class']}


@torch.no_grad()
def large_vocabulary(num_classes: int = 1000, side: int = 2048, stride: int = 16) -> dict:
    """Extra memory from a ViT's score grid to the label map of a large image.

    Linux only: the peak is read from ``/proc``.

    Args:
        num_classes: K.
        side: Height and width of the image.
        stride: Pixels of a grid cell.

    Returns:
        Megabytes: the peak on top of what was resident before, and what the
        plain way (all scores at image size, softmax, arg-max) would hold.
    """
    grid = side // stride
    scores = torch.randn(num_classes, grid, grid)
    before = _reset_peak()
    started = time.perf_counter()
    axis = compose_resize(grid, side, 0, side, side, side)
    label_map([ScoreMap([scores], [axis], [axis])])
    seconds = time.perf_counter() - started
    plain = 2 * num_classes * side * side * 4 / 2 ** 20
    return {'what': f'labels of {side} x {side} from scores of {num_classes} classes',
            'extra_mb': _status_mb('VmHWM') - before, 'plain_mb': plain, 'ours_s': seconds}


def peak_mb(call: Callable[[], object], device: torch.device) -> float:
    """Peak memory during a call in MB: of the GPU, or resident on the CPU (Linux).

    Args:
        call: What is measured, after it ran once.
        device: Where it allocates.
    """
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) / 2 ** 20
    _reset_peak()
    call()
    return _status_mb('VmHWM')


def _reset_peak() -> float:
    """Set the process's peak resident memory back to what is resident now, in MB (Linux)."""
    gc.collect()
    Path('/proc/self/clear_refs').write_text('5')
    return _status_mb('VmRSS')


def _status_mb(name: str) -> float:
    line = next(line for line in Path('/proc/self/status').read_text().splitlines()
                if line.startswith(name))
    return int(line.split()[1]) / 1024


def table(rows: Sequence[dict]) -> str:
    """Metrics as a text table.

    Args:
        rows: What the functions above and those of ``benchmark_train`` return.
    """
    from prettytable import PrettyTable

    shown = PrettyTable(list(COLUMNS))
    shown.align = 'l'
    for row in rows:
        shown.add_row(cells(row))
    return shown.get_string()
