"""What it costs to predict, beside the forward pass that nobody can do without."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Callable, Sequence

import torch
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip.clip import ClipSpec, get_spec, load_vocabulary
from mmseg_maskclip.engine.predict.encode import prepare
from mmseg_maskclip.portable.pictures import read_picture
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene

from benchmarks.reference import random_file
from benchmarks.speed import median_times

FILES_GOAL = 1.15
WORDS_GOAL = 0.10
START_GOAL = 2.0
SIZE = (375, 500)
_PREDICT = Path(__file__).resolve().parents[1] / 'predict.py'
# The part of mmseg that every user of it imports.
_IMPORTS = 'import mmseg_maskclip.mmcv_compat, torch, mmseg.apis'


def rows(arch: str, device: torch.device, repeats: int, files: int = 4) -> list[dict]:
    """Files to label files, other words, and the start of the command.

    Args:
        arch: Name of a CLIP model; of OpenAI's, with random weights.
        device: Where it runs.
        repeats: Timed runs of each.
        files: How many pictures.

    Returns:
        Seconds and their ratios.
    """
    with tempfile.TemporaryDirectory() as folder:
        spec = get_spec(arch)
        weights = None if spec.weights else random_file(spec, Path(folder))
        model = mmseg_maskclip.load(arch, weights, device=device)
        pictures = _write_pictures(Path(folder) / 'pictures', files)
        return [_files_row(model, pictures, Path(folder), repeats),
                *_words_rows(model, pictures[0], repeats),
                _start_row(pictures[0], Path(folder), repeats)]


def _write_pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f'{index}.jpg' for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(scene(0, index).image).resize(SIZE[::-1]).save(path)
    return paths


def words_of(spec: ClipSpec) -> list[list[str]]:
    """Two sets of words that a model knows.

    Args:
        spec: The CLIP model.
    """
    names = list(CLASSES) if spec.weights else list(load_vocabulary('voc').class_names)
    middle = len(names) // 2
    return [names[:middle], names[middle:]]


def _files_row(model: mmseg_maskclip.Predictor, pictures: Sequence[Path], folder: Path,
               repeats: int) -> dict:
    segmentor, steps = model._built.model, model._built.pipeline
    inputs = [prepare(steps, read_picture(path))['img'][0][None].to(model.device)
              for path in pictures]
    words = words_of(model.spec)[0]

    @torch.no_grad()
    def bare() -> None:
        for image in inputs:
            segmentor.backbone.dense(image)

    def ours() -> None:
        for found in model.predict_many(list(pictures), words, progress=False):
            found.save(folder / 'out')

    seconds = median_times({'ours': ours, 'bare': bare}, repeats, model.device)
    count = len(pictures)
    what = (f'{model.spec.name}, {count} JPEG files of {SIZE[1]} x {SIZE[0]} -> index PNG, '
            f'{len(words)} words')
    return _row(what, seconds['ours'] / count, seconds['bare'] / count,
                'bare forward, same pictures', FILES_GOAL)


def _words_rows(model: mmseg_maskclip.Predictor, picture: Path, repeats: int) -> list[dict]:
    first, second = words_of(model.spec)
    read = model.encode(picture)

    def passes() -> dict[str, Callable[[], object]]:
        return {'first': partial(model.predict, picture, first),
                'second': partial(read.classify, second)}

    # Words that nobody has asked for before, in a sentence of their own.
    new = {name: [f'a picture of the {name}.'] for name in second}
    uncached = median_times({'new': lambda: _classify_new(model, read, new)}, 1, model.device)
    for call in passes().values():
        call()
    seconds = median_times(passes(), repeats, model.device)
    what = f'{model.spec.name}, {len(second)} other words on the same picture'
    reference = 'picture -> labels'
    return [_row(f'{what}, embedded before', seconds['second'], seconds['first'], reference,
                 WORDS_GOAL),
            _row(f'{what}, new ones', uncached['new'], seconds['first'], reference)]


def _classify_new(model: mmseg_maskclip.Predictor, read: mmseg_maskclip.EncodedPicture,
                  words: dict) -> object:
    vocabularies = model._vocabularies
    vocabularies._made.clear()
    if vocabularies._encoder is not None:
        vocabularies._encoder._known.clear()
        vocabularies._encoder._file().path = None
    return read.classify(words)


def _start_row(picture: Path, folder: Path, repeats: int) -> dict:
    """The command on one picture, from its start to its end, against importing its libraries."""
    command = [sys.executable, str(_PREDICT), str(picture),
               '--model', 'TinyRN', '--classes', 'sky', 'bricks', '--device', 'cpu', '--no-resume',
               '--out', str(folder / 'start')]
    imports = [sys.executable, '-c', _IMPORTS]
    run = partial(subprocess.run, check=True, capture_output=True)
    seconds = median_times({'ours': lambda: run(command), 'imports': lambda: run(imports)},
                           repeats, torch.device('cpu'))
    return _row('maskclip predict on TinyRN, start to end', seconds['ours'], seconds['imports'],
                'importing torch and mmseg', START_GOAL)


def _row(what: str, ours: float, reference_s: float, reference: str,
         goal: float | None = None) -> dict:
    row = {'what': what, 'ours_s': ours, 'reference_s': reference_s, 'reference': reference,
           'ratio': ours / reference_s}
    if goal is None:
        return row
    met = row['ratio'] <= goal
    return {**row, 'what': f"{what}, goal <= {goal:.2f}{'' if met else ' MISSED'}", 'goal': goal,
            'met': met}


