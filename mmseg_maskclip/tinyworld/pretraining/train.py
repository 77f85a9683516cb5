"""Pretrains a tiny CLIP on pictures and captions of the embedded world.

It sees pairs of a picture and a sentence, never a mask.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from mmseg_maskclip.clip.pretraining import clip_loss, tokenizer
from mmseg_maskclip.tinyworld.pretraining.model import build
from mmseg_maskclip.tinyworld.pretraining.pictures import CaptionedPictures
from mmseg_maskclip.tinyworld.pretraining.recipe import SIZES, Recipe
from mmseg_maskclip.utils import InputError, atomic_path, require_file

# As CLIP limits it, against instability.
_MAX_LOGIT_SCALE = math.log(100)
_DECAYED_FROM = 2
_SAVE_EVERY = 100


def train(recipe: Recipe, workers: int = 0,
          on_step: Callable[[int, float], None] = lambda step, loss: None,
          state_file: Path | None = None, resume: bool = False,
          ) -> tuple[nn.Module, list[tuple[int, float]]]:
    """Pretrain with the contrastive loss.

    Args:
        recipe: What to train and how long.
        workers: Processes that draw pictures beside this one.
        on_step: Called after each step with its number (from 1) and loss.
        state_file: Where the state of the run is saved now and then; None saves none.
        resume: Go on from ``state_file``; the result is that of a run without a break.

    Returns:
        The model in eval mode, and the log: (step, mean loss since the last entry).

    Raises:
        InputError: If there is nothing to resume, or it is of another recipe.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        run = _Run(recipe)
        if resume:
            run.load(require_file(state_file or '', 'state of an interrupted pretraining',
                                  'Leave out --resume to start anew.'))
        return run.train(workers, on_step, state_file)


class _Run:
    """A pretraining that can be interrupted between two steps."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = build(recipe).train()
        self.optimizer = torch.optim.AdamW(_groups(self.model, recipe.weight_decay),
                                           lr=recipe.lr, betas=(0.9, 0.98))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _rate(recipe.steps))
        self.step = 0
        self.log: list[tuple[int, float]] = []
        self.recent: list[float] = []

    def train(self, workers: int, on_step: Callable[[int, float], None],
              state_file: Path | None) -> tuple[nn.Module, list[tuple[int, float]]]:
        """Do the steps that are left; arguments and result as of :func:`train`."""
        recipe = self.recipe
        encode = tokenizer(SIZES[recipe.model]['text_cfg']['context_length'])
        pairs = CaptionedPictures(recipe.seed, (recipe.steps - self.step) * recipe.batch,
                                  first=self.step * recipe.batch)
        # A generator of its own: the loader must not draw from the numbers of patch dropout,
        # or a resumed run would go on with others.
        loader = DataLoader(pairs, recipe.batch, num_workers=workers,
                            generator=torch.Generator().manual_seed(recipe.seed))
        for images, texts in loader:
            self.recent.append(_step(self.model, self.optimizer, images, encode(list(texts))))
            self.schedule.step()
            self.step += 1
            on_step(self.step, self.recent[-1])
            last = self.step == recipe.steps
            if self.step % recipe.log_every == 0 or last:
                self.log.append((self.step, round(float(np.mean(self.recent)), 4)))
                self.recent = []
            if state_file is not None and self.step % _SAVE_EVERY == 0 and not last:
                self.save(state_file)
        return self.model.eval(), self.log

    def save(self, path: Path) -> None:
        """Write all that the steps to come depend on."""
        state: dict[str, Any] = {
            'recipe': self.recipe.as_dict(), 'step': self.step, 'log': self.log,
            'recent': self.recent, 'model': self.model.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'schedule': self.schedule.state_dict(),
            'random': torch.get_rng_state()}
        with atomic_path(path) as part:
            torch.save(state, part)

    def load(self, path: Path) -> None:
        """Go back to a saved state; raises InputError if it is of another recipe."""
        state = torch.load(path, weights_only=True)
        if state['recipe'] != self.recipe.as_dict():
            raise InputError(f'{path} is of another recipe, {state["recipe"]}, expected '
                             f'{self.recipe.as_dict()}: give the options of the interrupted run.')
        self.step, self.recent = state['step'], state['recent']
        self.log = [tuple(entry) for entry in state['log']]
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.schedule.load_state_dict(state['schedule'])
        torch.set_rng_state(state['random'])


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
        if not weight.requires_grad:
            continue
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
