"""What is measured of "none of these" in the embedded world, one function a question."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmseg_maskclip import EncodedPicture, Predictor
from mmseg_maskclip.evaluation import count_areas, count_confidences, rejection_metrics
from mmseg_maskclip.tinyworld import CLASSES, STUFF, THINGS
from mmseg_maskclip.utils import InputError

THRESHOLDS = (0.0, 0.5)
# Less is neither named in captions nor looked for; between 0 and this nobody is right or wrong.
_VISIBLE = 0.02
_BINS = 15


class Scene(NamedTuple):
    """A scene that a model has read.

    Attributes:
        encoded: The picture.
        truth: Ids of :data:`CLASSES`, (H, W) uint8.
    """

    encoded: EncodedPicture
    truth: np.ndarray


def scene_files(world: Path, split: str, count: int) -> list[tuple[Path, np.ndarray]]:
    """Pictures and labels of the first scenes of a split.

    Args:
        world: As tools/dataset_converters/tinyworld.py writes it.
        split: ``'train'`` or ``'val'``.
        count: How many, at most.
    """
    names = (world / f'ImageSets/Segmentation/{split}.txt').read_text(encoding='utf-8').split()
    return [(world / f'JPEGImages/{name}.jpg',
             np.array(Image.open(world / f'SegmentationClass/{name}.png')))
            for name in names[:count]]


def known_words(model: Predictor, words: Iterable[str]) -> list[str]:
    """The words that a model's text tower can embed as contrast words.

    Args:
        model: Of an embedded tower, which refuses words it does not know.
        words: Some words.
    """
    blank = model.encode(np.zeros((64, 64, 3), np.uint8))
    known = []
    for word in words:
        try:
            blank.classify(CLASSES[:1], contrast=[word])
        except InputError:
            continue
        known.append(word)
    return known


def half_splits(count: int) -> Iterator[tuple[str, ...]]:
    """Halves of the classes: of stuff and of things half each, both halves of every split.

    Args:
        count: How many splits.
    """
    for seed in range(count):
        random = np.random.default_rng(seed)
        kinds = [random.permutation(kind) for kind in (STUFF, THINGS)]
        for first in (True, False):
            yield tuple(str(name) for kind in kinds for name in (
                kind[:len(kind) // 2] if first else kind[len(kind) // 2:]))


class _Areas:
    """IoU of each class, over all questions that ask for it."""

    def __init__(self) -> None:
        self.counts = np.zeros((2, len(CLASSES)), np.int64)

    def add(self, labels: np.ndarray, words: Sequence[str], ids: Sequence[int],
            truth: np.ndarray) -> None:
        """Count labels of words that mean the classes ``ids``; other pixels are none of them."""
        none = len(words)
        wanted = np.full(len(CLASSES), none)
        wanted[list(ids)] = np.arange(none)
        intersect, union, *_ = count_areas(np.minimum(labels, none), wanted[truth], none + 1)
        self.counts[:, list(ids)] += np.stack([intersect[:none], union[:none]])

    @property
    def mean(self) -> float:
        """mIoU over the classes that are there or were found; NaN without any."""
        intersect, union = self.counts[:, self.counts[1] > 0]
        return float((intersect / union).mean()) if union.size else math.nan


def absent_words(scenes: Sequence[Scene], contrast: Any, splits: int) -> dict[str, float]:
    """Half of the classes are asked for; the pixels of the other half are none of these.

    Args:
        scenes: Of one model.
        contrast: As in ``classify``.
        splits: Number of splits into halves.

    Returns:
        Number of contrast words, AUROC, FPR95; at each threshold the share of the pixels of
        absent words that are none of these, and the mIoU of the words. Fractions.
    """
    counts: Any = 0
    sizes, rejected, absent = [], dict.fromkeys(THRESHOLDS, 0), 0
    areas = {threshold: _Areas() for threshold in THRESHOLDS}
    for words in half_splits(splits):
        ids = [CLASSES.index(word) for word in words]
        for encoded, truth in scenes:
            found = encoded.classify(words, contrast=contrast)
            known = np.isin(truth, ids)
            counts = counts + count_confidences(found.confidence, known)
            sizes.append(len(found.settings['contrast']))
            absent += int((~known).sum())
            for threshold in THRESHOLDS:
                labels = found.rethreshold(threshold).labels
                rejected[threshold] += int((labels[~known] == found.none).sum())
                areas[threshold].add(labels, words, ids, truth)
    metrics = rejection_metrics(counts)
    return {'contrast words': float(np.mean(sizes)), 'AUROC': metrics.auroc,
            'FPR95': metrics.fpr95,
            **{f'none, {one:g}': rejected[one] / absent for one in THRESHOLDS},
            **{f'mIoU, {one:g}': areas[one].mean for one in THRESHOLDS}}


def single_words(scenes: Sequence[Scene], contrast: Any,
                 words: Sequence[tuple[str, str]] = tuple(zip(CLASSES, CLASSES))
                 ) -> dict[str, float]:
    """Every word is asked for alone, in every scene (IoU-single, arXiv 2407.05061).

    Args:
        scenes: Of one model.
        contrast: As in ``classify``.
        words: Each with the class that it means.

    Returns:
        Mean over the classes at each threshold, a fraction. At a threshold above 0 the label
        map of one word is its mask.
    """
    areas = {threshold: _Areas() for threshold in THRESHOLDS}
    for word, meant in words:
        for encoded, truth in scenes:
            found = encoded.classify([word], contrast=contrast)
            for threshold in THRESHOLDS:
                areas[threshold].add(found.rethreshold(threshold).labels, [word],
                                     [CLASSES.index(meant)], truth)
    return {f'IoU-single, {one:g}': areas[one].mean for one in THRESHOLDS}


def presence_scores(scenes: Sequence[Scene], embeddings: Tensor,
                    contrast: Sequence[str]) -> dict[str, float]:
    """AUROC of whether a word is in a scene, each word alone, over scenes and words.

    Args:
        scenes: Of one model.
        embeddings: Text embeddings of :data:`CLASSES`, (14, D).
        contrast: Names of classes.

    Returns:
        Of the model's ``presence``, of the cosine of image and word, of this less the mean
        cosine of the contrast words, and of the highest confidence of a pixel.
    """
    rows: dict[str, list[float]] = {}
    there = []
    for encoded, truth in scenes:
        share = np.bincount(truth.ravel(), minlength=len(CLASSES)) / truth.size
        images = torch.cat([view.encoded.embeddings for view in encoded.views]).float()
        cosines = torch.nn.functional.normalize(images, dim=1) @ embeddings.T
        for index, word in enumerate(CLASSES):
            if 0 < share[index] <= _VISIBLE:
                continue
            others = [CLASSES.index(name) for name in contrast if name != word]
            found = encoded.classify([word], contrast=[CLASSES[other] for other in others])
            own = cosines[:, index]
            there.append(share[index] > 0)
            for name, score in (
                    ('presence', (found.presence or {})[word]), ('cosine', own.max()),
                    ('less mean of contrast', (own - cosines[:, others].mean(dim=1)).max()),
                    ('best pixel', found.confidence.max())):
                rows.setdefault(name, []).append(float(score))
    return {name: _auroc(np.array(scores), np.array(there)) for name, scores in rows.items()}


def _auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks, count = rankdata(scores), int(positive.sum())
    pairs = count * (len(scores) - count)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / pairs) if pairs else math.nan


def calibration_errors(scenes: Sequence[Scene], words: Sequence[str],
                       contrast: Any) -> dict[str, float]:
    """How far confidences are from how often the best word is right.

    Args:
        scenes: Of one model, at its present temperature.
        words: Names of classes.
        contrast: As in ``classify``.

    Returns:
        Expected calibration error over 15 bins (Naeini et al., AAAI 2015), a fraction, of
        all pixels: where the class was not asked for no word is right. Negative logarithm
        of the likelihood of the words of those pixels that have one.
    """
    bins = np.zeros((3, _BINS))
    log_likelihood, labelled = 0.0, 0
    ids = np.array([CLASSES.index(word) for word in words])
    for encoded, truth in scenes:
        scores = encoded.classify(words, contrast=contrast).scores
        best, confidence = scores.argmax(0), scores.max(0).ravel().astype(np.float64)
        place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
        for row, weights in enumerate((np.ones_like(confidence), confidence,
                                       (ids[best] == truth).ravel())):
            bins[row] += np.bincount(place, weights, minlength=_BINS)
        for row, index in enumerate(ids):
            own = scores[row][truth == index]
            log_likelihood += float(np.log(np.maximum(own, 1e-30)).sum())
            labelled += own.size
    return {'ECE': float(np.abs(bins[1] - bins[2]).sum() / bins[0].sum()),
            'NLL': -log_likelihood / max(labelled, 1)}


def read_scenes(model: Predictor, files: Iterable[tuple[Path, np.ndarray]]) -> list[Scene]:
    """Scenes as a model has read them.

    Args:
        model: Any.
        files: Of :func:`scene_files`.
    """
    return [Scene(model.encode(path), truth) for path, truth in files]
