"""One picture that shows several models side by side: image, labels, ground truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

import cv2
import numpy as np
from prettytable import PrettyTable

from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.class_names import check_classes, check_trained_classes
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.distributed import device_of_process
from mmseg_maskclip.engine.inference import label_sample, picture_of
from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError, require_number, write_image
from mmseg_maskclip.visualization.overlay import add_legend, classes_present, overlay

_HEIGHT = 192
_GAP = 4
_TITLE = 24
_OPACITY = 0.75
_SHOWN = ('mIoU', 'aAcc', 'mAcc', 'mIoU(S)', 'mIoU(U)', 'hIoU')


def compare_models(models: Sequence[tuple[str, str, str]], out: str, count: int = 6,
                   options: dict | None = None) -> Path:
    """Draw the first images of a test set as rows: image, each model's labels, ground truth.

    Args:
        models: Title, config and checkpoint of each; the first one's test set
            is drawn.
        out: The picture to write.
        count: How many images.
        options: Overrides for every config, as ``--cfg-options``.

    Returns:
        The picture's path.

    Raises:
        InputError: If there is nothing to draw, or a model can't be loaded.
    """
    require_number(count, '--num', minimum=1, whole=True)
    configs = [load_config(config, options) for _, config, _ in models]
    dataset = build_test_dataset(configs[0])
    indices = range(min(count, len(dataset)))
    named = NamedFailures(dataset, 'data.test')
    samples = [named[index] for index in indices]
    truths = [dataset.get_gt_seg_map_by_idx(index) for index in indices]
    maps = [_labels(config, checkpoint, samples, dataset)
            for config, (_, _, checkpoint) in zip(configs, models)]
    titles = ['image', *(title for title, _, _ in models), 'truth']
    rows = [_row(sample, [*found, truth], dataset)
            for sample, *found, truth in zip(samples, *maps, truths)]
    width = rows[0].shape[1]
    drawing = np.concatenate([_titles(titles, width), *rows])
    present = classes_present(np.concatenate([truth.ravel() for truth in truths])[None],
                              len(dataset.CLASSES))
    drawing = add_legend(drawing, present, dataset.CLASSES, dataset.PALETTE)
    write_image(out, drawing)
    return Path(out)


def records_table(titles: Sequence[str], folders: Sequence[str]) -> str:
    """The newest metrics of several work dirs in one table, percent.

    Args:
        titles: Title of each model.
        folders: Work dirs of ``tools/test.py``, one a title.

    Raises:
        InputError: If their number differs, or a folder holds no metrics.
    """
    if len(titles) != len(folders):
        raise InputError(f'--records names {len(folders)} folders for {len(titles)} models, '
                         'expected one each.')
    found = [_newest_record(folder) for folder in folders]
    names = [name for name in _SHOWN if any(name in metrics for metrics in found)]
    table = PrettyTable(['model', *names])
    table.align = 'r'
    table.align['model'] = 'l'
    for title, metrics in zip(titles, found):
        table.add_row([title, *(f'{100 * metrics[name]:.1f}' if metrics.get(name) is not None
                                else '' for name in names)])
    return table.get_string()


def _newest_record(folder: str) -> dict:
    records = sorted(Path(folder).glob('eval_*_scale_*.json'),
                     key=lambda path: path.stat().st_mtime)
    if not records:
        raise InputError(f'{folder} holds no metrics: run tools/test.py with --eval mIoU '
                         f'--work-dir {folder} first.')
    return json.loads(records[-1].read_text(encoding='utf-8'))['metric']


def _labels(config: Any, checkpoint: str, samples: list[dict],
            dataset: Any) -> list[np.ndarray]:
    device = device_of_process()
    model = build_model(config)
    check_classes(model, dataset)
    check_trained_classes(load_weights(model, checkpoint, str(device)), dataset)
    model = model.to(device).eval()
    return [label_sample(model, sample, device) for sample in samples]


def _row(sample: dict, maps: Sequence[np.ndarray], dataset: Any) -> np.ndarray:
    """One row of the drawing; every cell is as wide as the first image is."""
    picture = picture_of(sample, maps[0].shape)
    cells = [picture, *(overlay(picture, labels, dataset.PALETTE, _OPACITY) for labels in maps)]
    gap = np.full((_HEIGHT, _GAP, 3), 255, np.uint8)
    scaled = [part for cell in cells for part in (cv2.resize(
        cell, (_HEIGHT, _HEIGHT), interpolation=cv2.INTER_AREA), gap)][:-1]
    line = np.full((_GAP, sum(part.shape[1] for part in scaled), 3), 255, np.uint8)
    return np.concatenate([np.concatenate(scaled, axis=1), line])


def _titles(titles: Sequence[str], width: int) -> np.ndarray:
    band = np.full((_TITLE, width, 3), 255, np.uint8)
    for index, title in enumerate(titles):
        cv2.putText(band, title, (index * (_HEIGHT + _GAP) + 2, _TITLE - 8),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return band
