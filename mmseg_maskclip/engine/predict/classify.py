"""From what a model has read of a picture to labels, for any words."""

from __future__ import annotations

from typing import Iterator, Optional, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.predict.encode import EncodedView
from mmseg_maskclip.formats.picture import label_type, none_value
from mmseg_maskclip.ops import (
    LOGIT_SCALE,
    best_class,
    class_cosines,
    mean_probability,
    pool_queries,
)
from mmseg_maskclip.ops.label_maps import tiles
from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.ops.score_maps import Scores
from mmseg_maskclip.portable.labelled import Labelled

Box = tuple[slice, slice]
Places = tuple[Sequence[int], Sequence[int]]
"""Rows and columns of a picture."""
# Above rounding, and below what one window of a hundred adds to a mean.
_SOME = 1e-4


class Reading:
    """A picture's scores for the words a model has at the moment, read tile by tile.

    Args:
        model: A segmentor, its classes the words and behind them the contrast words.
        views: The augmentations of the picture.
        num_words: K; further classes are contrast words.
        temperature: Probabilities are those of scores divided by it.
        places: Rows and columns of the pixels that are read; None for all.
    """

    def __init__(self, model: nn.Module, views: Sequence[EncodedView], num_words: int,
                 temperature: float = 1.0, places: Optional[Places] = None) -> None:
        self.num_words = num_words
        self.temperature = temperature
        self.exclusive = model.exclusive_classes
        self.closing = getattr(getattr(model, 'refiners', None), 'closing', None)
        with torch.no_grad():
            grids = [model.encoded_grids(view.encoded, view.meta) for view in views]
            self.maps, self.read = model.readable(_scored(model, grids, views))
            self.left = _left(model, grids, views)
        if places is not None:
            self.maps = [scores.at(*places) for scores in self.maps]
            self.left = [scores.at(*places) for scores in self.left]
        self.size = self.maps[0].size

    def tiles(self) -> Iterator[tuple[Box, Tensor, Tensor]]:
        """Rows and columns, probabilities of words (h, w, K), and of contrast words (h, w, M)."""
        with full_precision(torch.empty(0, device=self.maps[0].device)), torch.no_grad():
            for box in tiles(self.maps):
                found = mean_probability(self.maps, box, self.read)
                if self.temperature != 1:
                    # The softmax of scores over T is the normalised power 1 / T of their softmax.
                    found = found.pow(1 / self.temperature)
                    found = found / found.sum(dim=-1, keepdim=True)
                if self.left:
                    found = found * (mean_probability(self.left, box, _as_it_is) > _SOME)
                yield box, found[..., :self.num_words], found[..., self.num_words:]

    def label(self) -> Labelled:
        """The best word of every pixel."""
        none = none_value(self.num_words)
        labels = np.full(self.size, none, label_type(self.num_words))
        confidence = np.zeros(self.size, np.float32)
        for box, words, contrast in self.tiles():
            best, chosen = best_class(words)
            lost = best == 0
            if contrast.shape[-1]:
                lost |= contrast.amax(dim=-1) > best
            chosen = chosen.masked_fill(lost, none)
            labels[box] = chosen.cpu().numpy()
            confidence[box] = best.cpu().numpy()
        if self.closing is not None:
            closed = self.closing(torch.from_numpy(labels.astype(np.int64)), none)
            labels = closed.numpy().astype(labels.dtype)
        return Labelled(labels, confidence)

    def probabilities(self) -> np.ndarray:
        """Probability of each word, (K, H, W) float32; all of them are held."""
        found = np.zeros((self.num_words, *self.size), np.float32)
        for (rows, columns), words, _ in self.tiles():
            found[:, rows, columns] = words.permute(2, 0, 1).cpu().numpy()
        return found

    def alone(self, threshold: float) -> np.ndarray:
        """Where each word alone beats the contrast set, (K, H, W) bool.

        Without contrast words: where its probability reaches the threshold.

        Args:
            threshold: The least probability of a word among itself and the contrast set.
        """
        found = np.zeros((self.num_words, *self.size), bool)
        for (rows, columns), words, contrast in self.tiles():
            if contrast.shape[-1] and self.exclusive:
                words = beside(words, contrast)
            elif contrast.shape[-1]:
                # Masks that are independent of each other are compared, not divided.
                words = words.masked_fill(words < contrast.amax(dim=-1, keepdim=True), 0)
            chosen = (words >= threshold) & (words > 0)
            found[:, rows, columns] = chosen.permute(2, 0, 1).cpu().numpy()
        return found


def beside(words: Tensor, contrast: Tensor) -> Tensor:
    """Probability of each word, were it alone with the contrast words.

    Args:
        words: Probabilities among all, (..., K).
        contrast: Those of the contrast words, (..., M).

    Returns:
        (..., K); 0 where word and contrast set have none.
    """
    total = words + contrast.sum(dim=-1, keepdim=True)
    return words / total.clamp_min(torch.finfo(words.dtype).tiny)


def presence(views: Sequence[EncodedView], bank: TextBank,
             num_words: int) -> Optional[list[float]]:
    """Whether each word is in a picture at all, by CLIP's embedding of the whole.

    The cosines are those of the class weight with the class token; of several
    windows the one that says so most counts.

    Args:
        views: The augmentations of the picture.
        bank: Text embeddings of K words and M contrast words; of several rows the best counts.
        num_words: K.

    Returns:
        For each word its probability among itself and the contrast words, not
        calibrated; None without contrast words, or where the model embeds no images.
    """
    found = [view.encoded.embeddings for view in views]
    if len(bank.class_names) == num_words or found[0] is None:
        return None
    # On the CPU, where the words are and the result is wanted.
    images = torch.cat([one for one in found if one is not None]).float().cpu()
    cosines = class_cosines(images, bank.embeddings)
    logits = LOGIT_SCALE * pool_queries(cosines, bank.row_class, len(bank.class_names))
    # Not from a softmax over all: beside a word that is far better both shares may be 0.
    rivals = logits[:, num_words:].logsumexp(dim=1, keepdim=True)
    return (logits[:, :num_words] - rivals).sigmoid().amax(dim=0).tolist()


def _scored(model: nn.Module, grids: Sequence[Sequence[Tensor]],
            views: Sequence[EncodedView]) -> list:
    return [model.encoded_view(windows, view.encoded, view.meta)
            for windows, view in zip(grids, views)]


def _left(model: nn.Module, grids: Sequence[Sequence[Tensor]],
          views: Sequence[EncodedView]) -> list[Scores]:
    """The share of the windows over each pixel in which prompt denoising leaves a class.

    Where it removes every class all have one score, and an arg-max would give the first.

    Returns:
        One map of one number a view; empty where each window has a class.
    """
    if getattr(model.decode_head, 'pd_thresh', 0) <= 0 or grids[0][0].shape[1] == 1:
        return []
    found = [[_differ(grid) for grid in windows] for windows in grids]
    if all(all(windows) for windows in found):
        return []
    # The same windows and flips as of the scores, with a constant for each window.
    constant = [[grid.new_full((1, 1, 1, 1), float(left)) for grid, left in zip(*pair)]
                for pair in zip(grids, found)]
    return [view.scores for view in _scored(model, constant, views)]


def _differ(grid: Tensor) -> bool:
    """Whether scores (1, K, h, w) differ between classes anywhere, beyond rounding."""
    spread = grid.amax(dim=1) - grid.amin(dim=1)
    return bool(spread.max() > _SOME * grid.abs().max())


def _as_it_is(values: Tensor) -> Tensor:
    return values
