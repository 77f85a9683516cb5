"""Pretrains a tiny CLIP on pictures and captions of the embedded world.

It sees pairs of a picture and a sentence, never a mask.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, replace
from typing import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mmseg_maskclip.clip.pretraining import MEAN, STD, build_open_clip, clip_loss, tokenizer
from mmseg_maskclip.tinyworld.captions import caption
from mmseg_maskclip.tinyworld.clip_sizes import TINY_RN, TINY_VIT
from mmseg_maskclip.tinyworld.scenes import object_picture
from mmseg_maskclip.utils import InputError

SIZES = {'TinyRN': TINY_RN, 'TinyViT': TINY_VIT}
# As CLIP limits it, against instability.
_MAX_LOGIT_SCALE = math.log(100)
_DECAYED_FROM = 2


@dataclass(frozen=True)
class Recipe:
    """How a tiny CLIP is pretrained.

    Attributes:
        model: ``'TinyRN'`` or ``'TinyViT'``.
        steps: Optimiser steps.
        batch: Pairs per step.
        lr: Peak learning rate; linear warm-up over a tenth, then cosine to zero.
        weight_decay: On matrices only, not on gains, biases, tokens, positions.
        patch_dropout: Share of patches a ViT does not see in a step.
        seed: Of the pictures, the captions and the initial weights.
        log_every: Steps between two entries of the loss log.

    Raises:
        InputError: If a value is out of range.
    """

    model: str = 'TinyRN'
    steps: int = 1000
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    patch_dropout: float = 0.0
    seed: int = 0
    log_every: int = 20

    def __post_init__(self):
        if self.model not in SIZES:
            raise InputError(f"unknown tiny CLIP '{self.model}', expected one of "
                             f"{', '.join(SIZES)}")
        if self.steps < 1 or self.batch < 2:
            raise InputError(f'cannot train {self.steps} steps of {self.batch} pairs, '
                             'expected at least 1 step of 2 pairs')
        if not 0 <= self.patch_dropout < 1:
            raise InputError(f'patch dropout is {self.patch_dropout}, expected 0 or more and '
                             'less than 1')
        if self.lr <= 0 or self.seed < 0:
            raise InputError(f'learning rate is {self.lr} and seed {self.seed}, expected a '
                             'rate above 0 and a seed of 0 or more')

    def changed(self, **changes) -> Recipe:
        """A copy with other values."""
        return replace(self, **changes)

    def as_dict(self) -> dict:
        """The values by name."""
        return asdict(self)


RECIPES = {
    'TinyRN': Recipe(model='TinyRN'),
    'TinyViT': Recipe(model='TinyViT', steps=800, lr=1e-3, patch_dropout=0.8),
}


class CaptionedPictures(Dataset):
    """Object-centric pictures with captions, drawn on access.

    Items are (image, text): the image augmented by a flip, contrast,
    brightness and colour, normalised with CLIP's statistics, (3, 128, 128).

    Args:
        seed: Which world.
        length: Number of pairs.
        first: Index of the first picture.
        augment: Whether to augment the pictures.
    """

    def __init__(self, seed: int, length: int, first: int = 0, augment: bool = True):
        self.seed, self.length, self.first, self.augment = seed, length, first, augment

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> tuple[Tensor, str]:
        index = self.first + item
        picture = object_picture(self.seed, index)
        # 2: another stream than the pictures, which use 0 and 1.
        rng = np.random.default_rng((self.seed, 2, index))
        text = caption(picture.things, picture.stuff, rng)
        pixels = picture.image.astype(np.float32) / 255
        if self.augment:
            pixels = _jitter(pixels, rng)
        return normalise(pixels), text


def normalise(pixels: np.ndarray) -> Tensor:
    """RGB (H, W, 3) in 0..1 to CLIP's input, (3, H, W)."""
    scaled = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32))


def _jitter(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    contrast, cast = rng.uniform(0.75, 1.4), rng.uniform(-0.08, 0.08, 3) + rng.uniform(-0.1, 0.1)
    # Contrast about the mean of CLIP's training images, 0.45.
    return (pixels - 0.45) * np.float32(contrast) + 0.45 + cast.astype(np.float32)


def build(recipe: Recipe) -> nn.Module:
    """The untrained model of a recipe, an ``open_clip.CLIP``, from its seed."""
    sizes = copy.deepcopy(SIZES[recipe.model])
    if 'patch_size' in sizes['vision_cfg']:
        sizes['vision_cfg']['patch_dropout'] = recipe.patch_dropout
    # The caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return build_open_clip(sizes)


def train(recipe: Recipe, workers: int = 0,
          on_step: Callable[[int, float], None] = lambda step, loss: None,
          ) -> tuple[nn.Module, list[tuple[int, float]]]:
    """Pretrain with the contrastive loss.

    Args:
        recipe: What to train and how long.
        workers: Processes that draw pictures beside this one.
        on_step: Called after each step with its number (from 1) and loss.

    Returns:
        The model in eval mode, and the log: (step, mean loss since the last entry).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return _train(recipe, workers, on_step)


def _train(recipe: Recipe, workers: int, on_step: Callable[[int, float], None],
           ) -> tuple[nn.Module, list[tuple[int, float]]]:
    model = build(recipe).train()
    optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.lr,
                                  betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(recipe.steps))
    encode = tokenizer(SIZES[recipe.model]['text_cfg']['context_length'])
    pairs = CaptionedPictures(recipe.seed, recipe.steps * recipe.batch)
    log, recent = [], []
    for step, (images, texts) in enumerate(
            DataLoader(pairs, recipe.batch, num_workers=workers), 1):
        recent.append(_step(model, optimizer, images, encode(list(texts))))
        schedule.step()
        on_step(step, recent[-1])
        if step % recipe.log_every == 0 or step == recipe.steps:
            log.append((step, round(float(np.mean(recent)), 4)))
            recent = []
    return model.eval(), log


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor,
          texts: Tensor) -> float:
    loss = clip_loss(functional.normalize(model.encode_image(images), dim=-1),
                     functional.normalize(model.encode_text(texts), dim=-1),
                     model.logit_scale.exp())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, _MAX_LOGIT_SCALE)
    return loss.item()


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Weight decay for weights that multiply; rows of unused tokens keep their start."""
    decayed, free = [], []
    for name, weight in model.named_parameters():
        # Decay would shrink rows that no caption ever uses to zero.
        table = 'embedding' in name
        (free if weight.dim() < _DECAYED_FROM or table else decayed).append(weight)
    return [{'params': decayed, 'weight_decay': weight_decay},
            {'params': free, 'weight_decay': 0.0}]


def _rate(steps: int) -> Callable[[int], float]:
    warm_up = max(steps // 10, 1)

    def rate(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))

    return rate
