"""The benchmarks, which are those of tools/benchmark.py."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import torch

from mmseg_maskclip.clip import build_text_bank, get_spec, read_clip_checkpoint
from mmseg_maskclip.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene

from benchmarks import heads, speed, training, zegclip
from benchmarks.reference import random_checkpoint
from gpu_checks.scale import Scale, scale_of

Rows = Callable[[], list]
STEP_GOAL = 0.95
# A published log of this step on one RTX 3090.
PUBLISHED = {'s': 0.83, 'mb': 17.2 * 1024}
_TRAINED = ('TinyRN', 'TinyViT8')
_MODELS = {'labels-vit-b16': 'ViT-B/16', 'labels-vit-l14': 'ViT-L/14', 'labels-rn50x16': 'RN50x16'}


def measures(name: str, dry_run: bool, folder: Path) -> Iterator[tuple[str, Rows]]:
    """Rows of a benchmark; see :func:`gpu_checks.child.measures_of`."""
    scale = scale_of(dry_run, folder)
    # As a training run sets it.
    torch.backends.cudnn.benchmark = bool(scale.plus.get('cudnn_benchmark'))
    kind, _, rest = name.partition('-')
    if kind == 'step':
        yield name, partial(_step, scale, None if rest == 'fp32' else rest)
    elif kind == 'zegclip':
        yield name, partial(_zegclip, scale, name)
    elif name in _MODELS:
        yield from _labels(scale, scale.models[_MODELS[name]])
    else:
        yield from {'labels-trained': _trained, 'readouts': _readouts}[name](scale)


def _step(scale: Scale, amp: str | None) -> list[dict]:
    seconds, memory = training.training_step(scale.plus, scale.batch, scale.crop, amp,
                                             scale.device, scale.repeats, lower_teacher=True)
    seconds.update(goal=STEP_GOAL, met=seconds['ratio'] <= STEP_GOAL)
    return [seconds, _published(seconds, 's'), memory, _published(memory, 'mb')]


def _published(row: dict, unit: str) -> dict:
    ours = row[f'ours_{unit}']
    return {'what': 'the same', f'ours_{unit}': ours, f'reference_{unit}': PUBLISHED[unit],
            'reference': 'published on one RTX 3090 (0.83 s, 17.2 GB)',
            'ratio': ours / PUBLISHED[unit]}


def _labels(scale: Scale, arch: str) -> Iterator[tuple[str, Rows]]:
    # Making random weights takes as long as all the rest.
    checkpoint = random_checkpoint(get_spec(arch))
    for dtype in speed.DTYPES:
        yield f'{arch} image -> labels, {dtype}', lambda dtype=dtype: [speed.image_to_labels(
            arch, scale.device, dtype, scale.repeats, scale.size, checkpoint)]


def _trained(scale: Scale) -> Iterator[tuple[str, Rows]]:
    """Random towers say little about rounding: those of the embedded world have learned."""
    for arch in _TRAINED:
        yield f'{arch}, trained', partial(equal_labels, arch, scale.scenes, scale.device)


@torch.no_grad()
def equal_labels(arch: str, scenes: int, device: torch.device) -> list[dict]:
    """Share of pixels that keep their label in half precision, on scenes of the embedded world.

    Args:
        arch: A model whose weights ship with the package.
        scenes: How many.
        device: Where it runs.
    """
    spec = get_spec(arch)
    checkpoint = read_clip_checkpoint(spec.weights)
    trained = speed.maskclip_of(checkpoint, spec, len(CLASSES))
    trained.decode_head.set_text_bank(build_text_bank(checkpoint, spec, list(CLASSES), 'single',
                                                      progress=False))
    pixels = torch.stack([torch.from_numpy(scene(0, index).image) for index in range(scenes)])
    images = (pixels - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    images = images.permute(0, 3, 1, 2).contiguous().to(device)
    found = {}
    for name, dtype in speed.DTYPES.items():
        model = copy.deepcopy(trained).to(device, dtype)
        found[name] = [speed.label_call(model, image[None].to(dtype))()[0] for image in images]
    return [{'what': f'{arch}, trained, {scenes} scenes of the embedded world, {name}',
             'found': 'labels compared',
             'equal_labels': sum(float((one == other).mean()) for one, other
                                 in zip(found[name], found['fp32'])) / scenes}
            for name in found if name != 'fp32']


def _zegclip(scale: Scale, name: str) -> list[dict]:
    return zegclip.step_rows(scale.zegclip[name], scale.zegclip_batch, scale.zegclip_size,
                             scale.device, scale.repeats)


def _readouts(scale: Scale) -> Iterator[tuple[str, Rows]]:
    arch = scale.models['ViT-B/16']
    for dtype in ('fp32', 'bf16'):
        yield f'read-outs of {arch}, {dtype}', partial(
            heads.readout_rows, arch, scale.device, dtype, scale.repeats, scale.readout_sizes)
