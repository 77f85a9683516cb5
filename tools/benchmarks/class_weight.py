"""What the class weight adds to a test image and to a training step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from mmcv import Config
from PIL import Image
from torch import nn

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.cost import random_bank
from mmseg_maskclip.models import ClassWeight
from mmseg_maskclip.models.class_weight.build import build_class_weight
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings

from benchmarks.reference import random_checkpoint
from benchmarks.speed import CLASSES, SIZE, maskclip_of, median_times
from benchmarks.training import Steps, random_student

CLASSIFIER = 'ViT-B/16'


def random_weight(num_classes: int, cache_size: int, device: torch.device) -> ClassWeight:
    """A class weight with a random classifier of its own.

    Args:
        num_classes: K.
        cache_size: 0 for a classifier that reads every image anew.
        device: Where it runs.
    """
    weight = build_class_weight(ClassWeightSettings(classifier=CLASSIFIER, cache_size=cache_size),
                                num_classes, None)
    weight.classifier.set_text(random_bank(num_classes, weight.classifier.spec.embed_dim))
    return weight.to(device)


def _picture(folder: str, name: str = 'picture.jpg') -> str:
    path = Path(folder) / name
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8)
    Image.fromarray(pixels).resize(SIZE[::-1], Image.Resampling.BICUBIC).save(path)
    return str(path)


@torch.no_grad()
def weighted_image(arch: str, device: torch.device, repeats: int) -> list[dict]:
    """An image's labels with the class weight, first time and cached, against without.

    Args:
        arch: Name of the dense CLIP model.
        device: Where it runs.
        repeats: Timed runs of each.

    Returns:
        A row for the first time a file is seen, and a row for later times.
    """
    torch.manual_seed(0)
    spec = get_spec(arch)
    model = maskclip_of(random_checkpoint(spec), spec, CLASSES).to(device)
    image = torch.randn(1, 3, *SIZE, device=device)
    with tempfile.TemporaryDirectory() as folder:
        meta = {'ori_shape': (*SIZE, 3), 'img_shape': (*SIZE, 3), 'flip': False,
                'filename': _picture(folder)}
        seconds = median_times({
            name: _labels(model, weight, image, meta) for name, weight in (
                ('without', None), ('first', random_weight(CLASSES, 0, device)),
                ('cached', random_weight(CLASSES, 1, device)))}, repeats, device)
    return [{'what': f'{arch} image -> labels with class weight of {CLASSIFIER}, {name}',
             'ours_s': seconds[key], 'reference_s': seconds['without'],
             'reference': 'without class weight', 'ratio': seconds[key] / seconds['without']}
            for key, name in (('first', 'first time'), ('cached', 'cached'))]


def _labels(model: nn.Module, weight: ClassWeight | None, image: torch.Tensor,
            meta: dict) -> Callable[[], object]:
    def call() -> object:
        model.set_unregistered('class_weight', weight)
        return model.simple_test(image, [meta])

    return call


def weighted_step(config: Config, batch: int, size: tuple[int, int], device: torch.device,
                  repeats: int) -> dict:
    """A training step with the class weight on the student, cached, against without.

    Args:
        config: A MaskCLIP+ config.
        batch: Images of a step.
        size: Height and width of their crops.
        device: Where it runs.
        repeats: Timed steps of each kind.

    Returns:
        Seconds and their ratio.
    """
    torch.manual_seed(0)
    model = random_student(config, device)
    steps = Steps(model, batch, size, None, device)
    weight = random_weight(model.decode_head.text.num_classes, batch, device)

    def step(chosen: ClassWeight | None) -> Callable[[], None]:
        def call() -> None:
            model.set_unregistered('class_weight', chosen)
            steps.labelled_by_teacher()

        return call

    with tempfile.TemporaryDirectory() as folder:
        for index, meta in enumerate(steps.metas):
            meta['filename'] = _picture(folder, f'{index}.jpg')
        seconds = median_times({'with': step(weight), 'without': step(None)}, repeats, device)
    return {'what': f'training step with class weight, cached, {Path(config.filename).stem}, '
                    f'{batch} x {size[0]} x {size[1]}',
            'ours_s': seconds['with'], 'reference_s': seconds['without'],
            'reference': 'without class weight', 'ratio': seconds['with'] / seconds['without']}
