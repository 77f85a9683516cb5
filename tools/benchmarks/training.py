"""What labelling adds to a training step, against the same step with given labels."""

from __future__ import annotations

import copy
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator
from unittest import mock

import torch
from mmcv import Config
from mmseg.datasets import build_dataset
from torch import Tensor, nn

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.cost import random_bank
from mmseg_maskclip.models import Labeller, MaskClipPlus
from mmseg_maskclip.models.backbones.base import ClipBackbone
from mmseg_maskclip.models.backbones.packing import PackedWeights
from mmseg_maskclip.models.weights.clip import load_tower
from mmseg_maskclip.ops import UNLABELLED
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.tinyworld.writer import World, write_world
from mmseg_maskclip.utils import InputError

from benchmarks.reference import random_checkpoint
from benchmarks.speed import median_times, peak_mb

# The share of labels that a teacher of lower precision has to leave.
EQUAL = 0.999
_SCENES = 24


def random_student(config: Config, device: torch.device) -> MaskClipPlus:
    """The model of a MaskCLIP+ config with random weights and text embeddings, training.

    Args:
        config: The config; it is left as it is.
        device: Where the model goes.

    Raises:
        InputError: If it is not a MaskCLIP+ with a teacher.
    """
    config = copy.deepcopy(config)
    config.model.update(pretrained=None, class_weight=None)
    model = build_model(config, training=True)
    if not isinstance(model, MaskClipPlus) or model.teacher is None:
        raise InputError(f'{config.filename} is not a MaskClipPlus with a teacher, which the '
                         'training benchmark measures: take one of configs/maskclip_plus.')
    teacher = model.teacher
    load_tower(teacher.backbone, random_checkpoint(teacher.backbone.spec))
    for head in (model.decode_head, teacher.decode_head):
        head.set_text_bank(random_bank(head.text.num_classes, head.text_channels))
    model.iteration = 1
    return model.to(device).train()


class Steps:
    """The two steps that are compared, on one student and one batch.

    Args:
        model: Of :func:`random_student`.
        batch: Images of a step.
        size: Height and width of their crops.
        amp: ``'bf16'``, ``'fp16'`` or None.
        device: Where the model is.
    """

    def __init__(self, model: MaskClipPlus, batch: int, size: tuple[int, int], amp: str | None,
                 device: torch.device) -> None:
        self.model = model
        self.amp, self.device = amp, device
        self.optimizer = torch.optim.SGD(
            [value for value in model.parameters() if value.requires_grad], lr=1e-4, momentum=0.9)
        self.images = torch.randn(batch, 3, *size, device=device)
        self.metas = [{'filename': f'{index}.jpg'} for index in range(batch)]
        self.given = torch.randint(0, model.decode_head.num_classes, (batch, 1, *size),
                                   device=device)
        self.unlabelled = torch.full_like(self.given, UNLABELLED)
        self.taught = model.labeller, model.distillation
        self.supervised = Labeller(model.decode_head.num_classes), None

    def lower_teacher(self) -> float:
        """Let the teacher compute in the lowest precision that leaves its labels.

        Returns:
            The share of them that are those of fp32.
        """
        whole = self._labels('fp32')
        # A CPU takes several times as long in fp16.
        for precision in ('bf16', 'fp16') if self.device.type == 'cuda' else ('bf16',):
            equal = float((self._labels(precision) == whole).double().mean())
            if equal >= EQUAL:
                return equal
        self.model.teacher_precision = 'fp32'
        return 1.0

    def _labels(self, precision: str) -> Tensor:
        """The teacher's, of all pixels of the batch."""
        self.model.teacher_precision = precision
        return self.model.label_unlabelled(self.unlabelled[:, 0], self.images, self.metas,
                                           self.images)[0]

    def _step(self, labels: Tensor) -> None:
        with running_in(self.amp or 'fp32', self.device):
            losses = self.model.forward_train(self.images, self.metas, labels)
        loss, _ = self.model._parse_losses(losses)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def labelled_by_teacher(self) -> None:
        """The step of MaskCLIP+: every pixel is labelled by the teacher."""
        self.model.labeller, self.model.distillation = self.taught
        self._step(self.unlabelled)

    def supervised_and_teacher(self) -> None:
        """The student's step on given labels, and one forward pass of a plain teacher."""
        self.model.labeller, self.model.distillation = self.supervised
        with torch.no_grad(), running_in(self.amp or 'fp32', self.device), \
                _plain(self.model.teacher.backbone):
            self.model.teacher.score_grid(self.images, self.metas)
        self._step(self.given)


@contextmanager
def _plain(tower: ClipBackbone) -> Iterator[None]:
    """Run it as a tower that may train is run: no layers folded, nothing packed or reordered."""
    with mock.patch.object(tower, 'frozen', False), \
            mock.patch.object(PackedWeights, 'enabled', False):
        yield


def training_step(config: Config, batch: int, size: tuple[int, int], amp: str | None,
                  device: torch.device, repeats: int, lower_teacher: bool = False) -> list[dict]:
    """Time and peak memory of a training step.

    Args:
        config: A MaskCLIP+ config.
        batch: Images of a step.
        size: Height and width of their crops.
        amp: ``'bf16'``, ``'fp16'`` or None for single precision.
        device: Where it runs.
        repeats: Timed steps of each kind.
        lower_teacher: Whether our step's teacher, not that of the reference, computes in the
            lowest precision that leaves :data:`EQUAL` of its labels.

    Returns:
        A row of seconds and a row of megabytes.
    """
    torch.manual_seed(0)
    steps = Steps(random_student(config, device), batch, size, amp, device)
    equal = steps.lower_teacher() if lower_teacher else None
    ours, reference = steps.labelled_by_teacher, steps.supervised_and_teacher
    seconds = median_times({'ours': ours, 'reference': reference}, repeats, device)
    name = Path(config.filename).stem
    common = {'what': f'training step, {name}, {batch} x {size[0]} x {size[1]}, {amp or "fp32"}',
             'reference': "the student's supervised step + teacher forward"}
    memory = {'ours_mb': peak_mb(ours, device), 'reference_mb': peak_mb(reference, device)}
    if equal is not None:
        common['what'] += f', teacher in {steps.model.teacher_precision}'
    return [{**common, 'ours_s': seconds['ours'], 'reference_s': seconds['reference'],
             'ratio': seconds['ours'] / seconds['reference'],
             **({} if equal is None else {'equal_labels': equal})},
            {**common, 'what': 'its peak memory', **memory,
             'ratio': memory['ours_mb'] / memory['reference_mb']}]


def data_pipeline(config: Config, repeats: int) -> dict:
    """Images a second of a config's training pipeline, one process.

    The reference is the same pipeline with mmseg's ``LoadAnnotations``. Both
    read the same scenes of the embedded world.

    Args:
        config: A config whose ``data.train.pipeline`` uses ``LoadLabels``.
        repeats: Timed passes over the scenes.

    Returns:
        Images a second and the ratio of the two.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_world(folder, World(train=_SCENES, val=0))
        passes = {'ours': _passes(folder, config.data.train.pipeline, unlabelled='all'),
                  'reference': _passes(folder, [
                      dict(step, type='LoadAnnotations') if step['type'] == 'LoadLabels' else step
                      for step in config.data.train.pipeline])}
        seconds = median_times(passes, repeats, torch.device('cpu'))
    rates = {name: _SCENES / value for name, value in seconds.items()}
    return {'what': f'training pipeline of {Path(config.filename).stem}',
            'ours_per_s': rates['ours'], 'reference_per_s': rates['reference'],
            'reference': 'with LoadAnnotations',
            'ratio': seconds['ours'] / seconds['reference']}


def _passes(folder: str, pipeline: list, **options: object) -> Callable[[], nn.Module]:
    dataset = build_dataset(dict(
        type='TinyWorldDataset', data_root=folder, img_dir='JPEGImages',
        ann_dir='SegmentationClass', split='ImageSets/Segmentation/train.txt',
        pipeline=[dict(step) for step in pipeline], **options))
    return lambda: [dataset[index] for index in range(len(dataset))]
