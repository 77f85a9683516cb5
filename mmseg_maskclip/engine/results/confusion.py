"""The confusion matrix of a test run, as a picture and as a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
from mmcv.utils import print_log

from mmseg_maskclip.engine.distributed import is_main, sum_over_processes
from mmseg_maskclip.engine.samples import truth_of
from mmseg_maskclip.evaluation import count_confusion
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir, write_image
from mmseg_maskclip.visualization.confusion import draw_confusion


class ConfusionFiles:
    """Counts which class is taken for which, and writes that as files.

    Args:
        files: One name or several; ``.png`` is drawn, its rows normalised,
            ``.csv`` holds the counts. Pixels predicted as none of the classes
            are a last column, where there are some.
        dataset: The test set.

    Raises:
        InputError: If a name ends in neither, or its folder can't be written.
    """

    def __init__(self, files: str | Sequence[str], dataset: Any) -> None:
        self._files = [files] if isinstance(files, str) else files
        if not isinstance(self._files, (list, tuple)) or not self._files:
            raise _wrong_name(files)
        for file in self._files:
            if not isinstance(file, str) or Path(file).suffix.lower() not in ('.png', '.csv'):
                raise _wrong_name(file)
            if Path(file).is_dir():
                raise InputError(f'--eval-options confusion={file} is a folder, expected a file.')
            writable_dir(Path(file).parent, 'folder of the confusion matrix')
        self._dataset = dataset
        size = len(dataset.CLASSES)
        self._counts = torch.zeros(size, size + 1, dtype=torch.int64)

    def add(self, labels: np.ndarray, index: int) -> None:
        """Count one label map.

        Args:
            labels: Predicted class ids, (H, W).
            index: Of the image in the test set.

        Raises:
            InputError: If its label can't be read or doesn't fit.
        """
        truth, ignored, name = truth_of(self._dataset, index)
        self._counts += count_confusion(labels, truth, len(self._dataset.CLASSES), ignored, name)

    def finish(self) -> None:
        """Sum over all processes; the main one writes the files."""
        counts = sum_over_processes(self._counts).numpy()
        if not is_main():
            return
        if not counts[:, -1].any():
            counts = counts[:, :-1]
        for file in self._files:
            if Path(file).suffix.lower() == '.csv':
                _write_table(file, counts, self._dataset.CLASSES)
            else:
                write_image(file, draw_confusion(counts, self._dataset.CLASSES))
        print_log(f'Confusion matrix: {", ".join(self._files)}', 'mmseg')


def _wrong_name(given: Any) -> InputError:
    return InputError(f'--eval-options confusion={given!r}: expected a name that ends in .png (a '
                      'picture) or .csv (the counts), or both separated by a comma.')


def _write_table(file: str, counts: np.ndarray, names: Sequence[str]) -> None:
    with atomic_path(file) as path, open(path, 'w', newline='', encoding='utf-8') as table:
        writer = csv.writer(table)
        columns = [*names, 'none'][:counts.shape[1]]
        writer.writerow(['label \\ prediction', *columns])
        for name, row in zip(names, counts.tolist()):
            writer.writerow([name, *row])
