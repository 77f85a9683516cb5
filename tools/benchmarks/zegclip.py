"""ZegCLIP: image to labels against open_clip, and its training step against one written plainly."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from mmcv import Config
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipCheckpoint, ClipSpec, TextBank
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.models import ZegClip
from mmseg_maskclip.models.weights.official_zegclip import TOWER, adapt_zegclip
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.ops import UNLABELLED

from benchmarks.pamr import extra_mb
from benchmarks.reference import random_checkpoint, reference_encoder
from benchmarks.speed import DTYPES, label_call, median_times, random_bank
from benchmarks.zegclip_plain import IGNORED, PlainBackbone, PlainHead, PlainZegClip

CONFIGS = ('configs/zegclip/zegclip_vit16_512x512_20k_voc12aug_20.py',
           'configs/zegclip/zegclip_vit16_512x512_80k_coco-stuff164k.py')
SIZE = (512, 512)
LABELS_GOAL = 1.10
STEP_GOAL = 1.00
_CELLS = 3


def _goal(row: dict, goal: float) -> dict:
    """The row, with its goal and whether it is met."""
    met = row['ratio'] <= goal
    return {**row, 'what': f"{row['what']}, goal <= {goal:.2f}{'' if met else ' MISSED'}",
            'goal': goal, 'met': met}


def random_zegclip(config: Config, checkpoint: ClipCheckpoint | None = None) -> ZegClip:
    """The model of a ZegCLIP config with random weights and text embeddings.

    Args:
        config: The config; it is left as it is.
        checkpoint: Weights of the tower, else its own random ones.
    """
    model = build_model(copy.deepcopy(config), training=True)
    if checkpoint is not None:
        load_tower(model.backbone.tower, checkpoint)
    head = model.decode_head
    head.set_text_bank(random_bank(head.num_classes, head.text_channels))
    return model


def encoder_with_tokens(checkpoint: ClipCheckpoint, spec: ClipSpec, size: tuple[int, int],
                        extra: int) -> nn.Module:
    """open_clip's visual forward, with more tokens behind those of the image.

    Args:
        checkpoint: The weights.
        spec: The ViT they are of.
        size: (height, width) of the images.
        extra: Tokens that its transformer gets on top.
    """
    visual = reference_encoder(checkpoint, spec, size)
    tokens = torch.randn(1, extra, spec.width)

    def append(_: nn.Module, args: tuple) -> tuple:
        own = args[0]
        return torch.cat([own, tokens.to(own).expand(len(own), -1, -1)], dim=1), *args[1:]

    visual.transformer.register_forward_pre_hook(append)
    return visual


@torch.no_grad()
def labels_row(config: Config, size: tuple[int, int], device: torch.device, dtype: str,
               repeats: int) -> dict:
    """Image to label map of all classes against open_clip's forward with as many tokens.

    Args:
        config: A ZegCLIP config.
        size: Height and width of the network's input and of the label map.
        device: Where both run.
        dtype: ``'fp32'`` or ``'bf16'``.
        repeats: Timed runs of each.
    """
    torch.manual_seed(0)
    spec = build_model(config).backbone.spec
    checkpoint = random_checkpoint(spec)
    model = random_zegclip(config, checkpoint).to(device, DTYPES[dtype]).eval()
    prompts, classes = model.backbone.num_prompts, model.decode_head.num_classes
    reference = encoder_with_tokens(checkpoint, spec, size, prompts).to(device, DTYPES[dtype])
    image = torch.randn(1, 3, *size, device=device, dtype=DTYPES[dtype])
    seconds = median_times({'ours': label_call(model, image),
                            'open_clip': lambda: reference(image)}, repeats, device)
    return _goal({
        'what': f'ZegCLIP, {spec.name}, image -> labels, {size[0]} x {size[1]}, K={classes}, '
                f'{prompts} prompts, {dtype}',
        'ours_s': seconds['ours'], 'reference_s': seconds['open_clip'],
        'reference': 'open_clip visual forward, as many tokens',
        'ratio': seconds['ours'] / seconds['open_clip']}, LABELS_GOAL)


def plain_of(model: ZegClip, text_file: str, grid: int) -> PlainZegClip:
    """The plain model with the weights and text embeddings of a model.

    Args:
        model: Whose weights are overwritten by those of the plain one, which has more.
        text_file: ``.npy`` that gets the text embeddings, in half precision as published.
        grid: Side of the stored position table.
    """
    backbone, head = model.backbone, model.decode_head
    layers = len(head.decoder.layers) + 1
    attention = head.decoder.layers[0]
    plain = PlainZegClip(
        PlainBackbone(backbone.spec, grid, backbone.num_prompts, backbone.prompt_dropout.p,
                      2 if backbone.tower.double_class_token else 1),
        PlainHead(head.text_channels, head.q_proj.out_features, layers,
                  attention.cross_attn.heads, attention.dropout.p),
        text_file, model.seen, (head.loss_decode.mask_weight, head.loss_decode.dice_weight))
    rows = head.text.embeddings.cpu().numpy().astype(np.float16)
    np.save(text_file, rows)
    head.set_text_bank(TextBank(torch.from_numpy(rows.astype(np.float32)),
                                tuple(map(str, range(len(rows))))))
    state = adapt_zegclip(plain.state_dict(), 'the plain step')
    backbone.tower.load_state_dict({key[len(TOWER):]: value for key, value in state.items()
                                    if key.startswith(TOWER)})
    texts = {key: value for key, value in model.state_dict().items()
             if key.startswith('decode_head.text.')}
    model.load_state_dict({**texts, **{key: value for key, value in state.items()
                                       if not key.startswith(TOWER)}})
    return plain


class Steps:
    """One training step, ours and the plain one, of the same weights, images and labels.

    Args:
        config: An inductive ZegCLIP config.
        batch: Images of a step.
        size: Height and width of their crops.
        device: Where it runs.
        folder: Gets the file of text embeddings.
    """

    def __init__(self, config: Config, batch: int, size: tuple[int, int], device: torch.device,
                 folder: str | Path) -> None:
        self.model = random_zegclip(config)
        self.plain = plain_of(self.model, str(Path(folder) / 'text.npy'),
                              config.model.backbone.stored_grid[0])
        self.images = torch.randn(batch, 3, *size, device=device)
        self.metas = [{'filename': f'{index}.jpg'} for index in range(batch)]
        #: As the data set of each gives them: those of unseen classes are withheld from ours.
        self.labels = random_labels(self.model, batch, size).to(device)
        withheld = torch.isin(self.labels, torch.tensor(self.model.unseen, device=device))
        self.given = self.labels.masked_fill(withheld, UNLABELLED)
        self.optimizers = {}
        for model in (self.model, self.plain):
            model.to(device).train()
            self.optimizers[model] = torch.optim.AdamW(
                [value for value in model.parameters() if value.requires_grad], lr=2e-4,
                weight_decay=0.01)

    def ours(self) -> dict[str, Tensor]:
        """Forward, losses, backward and AdamW, and the losses."""
        return self._step(self.model, lambda: self.model.forward_train(
            self.images, self.metas, self.given))

    def plainly(self) -> dict[str, Tensor]:
        """The same, written plainly."""
        return self._step(self.plain, lambda: self.plain.forward_train(self.images, self.labels))

    def watched(self) -> dict[str, Tensor]:
        """The plain step as the published code runs it, looking for anomalies."""
        with torch.autograd.set_detect_anomaly(True):
            return self.plainly()

    def _step(self, model: nn.Module, forward: Callable[[], dict]) -> dict[str, Tensor]:
        losses = forward()
        optimizer = self.optimizers[model]
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()
        return losses

    def held(self, model: nn.Module) -> list[Tensor]:
        """What stays in memory between the steps of a model."""
        tower = model.backbone.tower.state_dict() if model is self.model else {}
        states = self.optimizers[model].state.values()
        return [self.images, self.labels, self.given, *model.state_dict().values(),
                *tower.values(),
                *(value for state in states for value in state.values()
                  if isinstance(value, Tensor))]


def random_labels(model: ZegClip, batch: int, size: tuple[int, int]) -> Tensor:
    """Maps of a few areas: seen classes, an unseen one, and nothing; (B, 1, H, W) int64."""
    cells = torch.tensor(model.seen)[torch.randint(len(model.seen), (batch, 1, _CELLS, _CELLS))]
    cells[:, :, 0, 0], cells[:, :, 1, 1] = model.unseen[0], IGNORED
    wanted = [torch.arange(side) * _CELLS // side for side in size]
    return cells[:, :, wanted[0]][:, :, :, wanted[1]]


def step_rows(config: Config, batch: int, size: tuple[int, int], device: torch.device,
              repeats: int) -> list[dict]:
    """Time and peak memory of a training step against the step written plainly.

    Args:
        config: An inductive ZegCLIP config.
        batch: Images of a step.
        size: Height and width of their crops.
        device: Where it runs.
        repeats: Timed steps of each kind.

    Returns:
        Rows of seconds, of seconds against the plain step that looks for anomalies, and of
        megabytes beside weights and optimizer.
    """
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        steps = Steps(config, batch, size, device, folder)
        seconds = median_times({'ours': steps.ours, 'plain': steps.plainly,
                                'watched': steps.watched}, repeats, device)
        extra = {name: extra_mb(call, steps.held(model), device)
                 for name, call, model in (('ours', steps.ours, steps.model),
                                           ('plain', steps.plainly, steps.plain))}
    what = (f'ZegCLIP training step, {steps.model.backbone.num_prompts} prompts, '
            f'{len(steps.model.seen)} queries, {batch} x {size[0]} x {size[1]}')
    plain, memory = 'the step written plainly', extra['ours'] / extra['plain']
    return [_goal({'what': what, 'ours_s': seconds['ours'], 'reference_s': seconds['plain'],
                   'reference': plain, 'ratio': seconds['ours'] / seconds['plain']}, STEP_GOAL),
            {'what': 'the same', 'ours_s': seconds['ours'], 'reference_s': seconds['watched'],
             'reference': f'{plain}, with anomaly detection',
             'ratio': seconds['ours'] / seconds['watched']},
            {'what': 'its peak memory beside weights and optimizer', 'ours_mb': extra['ours'],
             'reference_mb': extra['plain'], 'reference': plain, 'ratio': memory}]


def rows(batch: int, size: tuple[int, int], device: torch.device, dtypes: list,
         repeats: int) -> list[dict]:
    """All rows of the part ``zegclip``, of :data:`CONFIGS`.

    Args:
        batch: Images of a training step.
        size: Height and width of their crops.
        device: Where it runs.
        dtypes: Of image to labels, ``'fp32'`` or ``'bf16'``.
        repeats: Timed runs of each.
    """
    configs = [load_config(path) for path in CONFIGS]
    return ([labels_row(config, SIZE, device, dtype, repeats)
             for dtype in dtypes for config in configs]
            + [row for config in configs
               for row in step_rows(config, batch, size, device, repeats)])
