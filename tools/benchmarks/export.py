"""Exported models in ONNX Runtime, beside torch: time, file size, and the share of equal labels."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

import mmseg_maskclip
from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.portable.inputs import resize_picture
from mmseg_maskclip.tinyworld.scenes import scene

from benchmarks.predict import words_of
from benchmarks.reference import random_file
from benchmarks.speed import median_times

SIZE = (375, 500)
# Its weights are trained: with random ones the share of equal labels says little of 8 bits.
TRAINED = 'TinyViT8'


def rows(arch: str, repeats: int, pictures: int = 8) -> list[dict]:
    """Picture to labels of a model, in 32 and in 8 bits, and of a trained one.

    Args:
        arch: Name of a CLIP model; of OpenAI's, with random weights.
        repeats: Timed runs of each.
        pictures: Over how many labels are compared.

    Returns:
        Seconds, their ratios and file sizes.
    """
    return [row for name in dict.fromkeys((arch, TRAINED))
            for row in _rows_of(name, repeats, pictures)]


def _rows_of(arch: str, repeats: int, pictures: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        spec = get_spec(arch)
        weights = None if spec.weights else random_file(spec, Path(folder))
        words = words_of(spec)[0]
        model = mmseg_maskclip.load(arch, weights, device='cpu')
        return [_row(model, words, mmseg_maskclip.export_model(
            arch, Path(folder) / f'{int8}.onnx', words=words, int8=int8, weights=weights),
            '8 bits' if int8 else '32 bits', repeats, pictures) for int8 in (False, True)]


def _row(model: mmseg_maskclip.Predictor, words: list, written: object, form: str, repeats: int,
         pictures: int) -> dict:
    exported = mmseg_maskclip.load_exported(written.path, written.bank,
                                            threads=torch.get_num_threads())
    shown = [resize_picture(scene(0, index).image, SIZE) for index in range(pictures)]
    equal = np.mean([exported.predict(one).labels == model.predict(one, words).labels
                     for one in shown])
    seconds = median_times({'ours': partial(exported.predict, shown[0]),
                            'torch': partial(model.predict, shown[0], words)}, repeats,
                           torch.device('cpu'))
    size = written.path.stat().st_size / 2 ** 20
    what = (f'{model.spec.name}, {SIZE[1]} x {SIZE[0]} -> labels in ONNX Runtime, {form}, '
            f'{len(words)} words, {size:.0f} MiB, {equal:.2%} of the labels equal')
    return {'what': what, 'ours_s': seconds['ours'], 'reference_s': seconds['torch'],
            'reference': 'maskclip predict in torch', 'equal': float(equal), 'mib': size,
            'ratio': seconds['ours'] / seconds['torch']}
