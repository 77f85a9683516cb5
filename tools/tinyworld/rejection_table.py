"""The tables of docs/predict.md: pixels that are none of the words, in the embedded world."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence

from torch import Tensor

import mmseg_maskclip
from mmseg_maskclip import Predictor
from mmseg_maskclip.clip import (
    NameEncoder,
    Phrase,
    get_spec,
    load_templates,
    load_vocabulary,
    read_clip_checkpoint,
)
from mmseg_maskclip.tinyworld import CLASSES, STUFF
from mmseg_maskclip.tinyworld.classes import SYNONYMS

from docs.tables import markdown_table
from tinyworld.rejection import (
    Scene,
    absent_words,
    calibration_errors,
    half_splits,
    known_words,
    presence_scores,
    read_scenes,
    scene_files,
    single_words,
)

MODELS = {'TinyRN': {'model': 'TinyRN'},
          'TinyViT8, surgery': {'model': 'TinyViT8', 'method': 'surgery'},
          'TinyViT8, naclip': {'model': 'TinyViT8', 'method': 'naclip'}}
TABLES = ('absent', 'single', 'limit', 'presence', 'calibrate')
LIMITS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.995, 1.0)
_PUBLISHED = 'background_words'
_LABELLED = 5


class Measured(NamedTuple):
    """A table.

    Attributes:
        title: What it shows.
        rows: One dict each, names of columns to text or to fractions.
    """

    title: str
    rows: list[dict[str, Any]]


def contrast_sets(model: Predictor) -> dict[str, Any]:
    """The contrast sets that are compared, by what they are called.

    Args:
        model: Of an embedded tower.
    """
    published = load_vocabulary(_PUBLISHED).class_names
    known = known_words(model, published)
    return {'none': None, '"background"': ['background'],
            f'published, {len(known)} of {len(published)}': known,
            'stuff, 6': list(STUFF), 'all classes, 14 (default)': list(CLASSES)}


def rejection_tables(world: Path, models: Sequence[str], scenes: int, splits: int,
                     tables: Sequence[str] = TABLES) -> Iterator[Measured]:
    """Measure, one model after the other.

    Args:
        world: The written world.
        models: Some of :data:`MODELS`.
        scenes: Number of validation scenes.
        splits: Number of splits into halves.
        tables: Some of :data:`TABLES`.

    Yields:
        A table for each model and question.
    """
    files = scene_files(world, 'val', scenes)
    for name in models:
        model = mmseg_maskclip.load(**MODELS[name], device='cpu')
        read = read_scenes(model, files)
        sets = contrast_sets(model)
        if 'absent' in tables:
            yield Measured(f'{name}: half of the classes asked for', [
                {'contrast set': key, **absent_words(read, words, splits)}
                for key, words in sets.items()])
        if 'single' in tables:
            yield Measured(f'{name}: each class asked for alone', [
                {'contrast set': key, **single_words(read, words)}
                for key, words in sets.items()])
        if 'limit' in tables:
            # Each set is given as what a limit leaves of it.
            unlimited = mmseg_maskclip.load(**MODELS[name], device='cpu', contrast_limit=1.0)
            yield Measured(f'{name}: each synonym asked for alone',
                           list(_limits(read_scenes(unlimited, files), name)))
        if 'presence' in tables:
            yield Measured(f'{name}: is a word in the scene, AUROC', list(_presence(read, name)))
        if 'calibrate' in tables:
            labelled = scene_files(world, 'train', _LABELLED)
            yield Measured(f'{name}: calibrated', list(_calibrated(model, read, labelled)))


def _embeddings(name: str, words: Sequence[str], templates: str = 'openai7') -> Tensor:
    spec = get_spec(MODELS[name]['model'])
    sentences = load_templates(templates)
    return NameEncoder(read_clip_checkpoint(spec.weights), spec).embed(
        [[Phrase(word, sentences)] for word in words])


def _limits(scenes: Sequence[Scene], name: str) -> Iterator[dict]:
    """What a contrast set loses, and what is gained, below each limit of the cosine."""
    words = [(word, meant) for meant, group in SYNONYMS.items() for word in group]
    own = _embeddings(name, [word for word, _ in words], 'imagenet85')
    cosines = own @ _embeddings(name, CLASSES).T
    kept = {limit: tuple(tuple(other for other, cosine in zip(CLASSES, row) if cosine <= limit)
                         for row in cosines.tolist()) for limit in LIMITS}
    measured: dict = {}
    for sets, group in itertools.groupby(LIMITS, key=kept.__getitem__):
        for key in zip(words, sets):
            if key not in measured:
                measured[key] = single_words(scenes, list(key[1]), [key[0]])
        rows = [measured[key] for key in zip(words, sets)]
        synonyms = sum(meant not in chosen for (_, meant), chosen in zip(words, sets))
        others = sum(len(CLASSES) - len(chosen) for chosen in sets) - synonyms
        yield {'limit': ', '.join(f'{limit:g}' for limit in group),
               'own class left out': f'{synonyms} of {len(words)}',
               'others left out': f'{others / len(words):.1f}',
               **{key: _mean([row[key] for row in rows]) for key in rows[0]}}


def _mean(values: Sequence[float]) -> float:
    # A word that is in no scene, and found in none, has no IoU.
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _presence(scenes: Sequence[Scene], name: str) -> Iterator[dict]:
    embeddings = _embeddings(name, CLASSES, 'imagenet85')
    for key, words in (('stuff, 6', STUFF), ('all classes, 14', CLASSES)):
        yield {'contrast set': key, **presence_scores(scenes, embeddings, words)}


def _calibrated(model: Predictor, scenes: Sequence[Scene], labelled: Sequence) -> Iterator[dict]:
    for key, words in (('all 14', CLASSES), ('half', next(iter(half_splits(1))))):
        ids = [CLASSES.index(word) for word in words]
        before = calibration_errors(scenes, words, 'default')
        temperature = model.calibrate([path for path, _ in labelled],
                                      [_as_ids(truth, ids) for _, truth in labelled], words)
        after = calibration_errors(scenes, words, 'default')
        model.temperature = 1.0
        yield {'words': key, 'temperature': f'{temperature:.2f}',
               'ECE': before['ECE'], 'calibrated ECE': after['ECE'],
               'NLL': f'{before["NLL"]:.3f}', 'calibrated NLL': f'{after["NLL"]:.3f}'}


def _as_ids(truth: Any, ids: Sequence[int]) -> Any:
    found = truth.copy()
    found[:] = 255
    for place, index in enumerate(ids):
        found[truth == index] = place
    return found


def markdown(measured: Measured) -> str:
    """A table in Markdown under its title; fractions in percent, one decimal.

    Args:
        measured: With at least one row.
    """
    columns = list(measured.rows[0])
    return f'{measured.title}\n\n' + markdown_table(columns, (
        [_cell(name, row[name]) for name in columns] for row in measured.rows),
        numbers=columns[1:])


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f'{value:.1f}' if name == 'contrast words' else f'{100 * value:.1f}'
